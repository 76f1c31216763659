"""
Messages, checkpoints and states of the framework, at random.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from agent_framework import Content, Message, WorkflowCheckpoint
from hypothesis import strategies as st

from asm_async.testing.strategies import json_texts

Strategy: TypeAlias = st.SearchStrategy[Any]

texts = st.sampled_from(["", "hi", "Grüße \0 \ud800", " "]) | json_texts()
ids = st.sampled_from(["c1", "c2", "ü/c\0", ""])
names = st.sampled_from(["get_weather", "book"])
scalars = st.none() | st.booleans() | st.integers() | texts
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2)
    ),
    max_leaves=4,
)
arguments = st.none() | st.dictionaries(texts, plain, max_size=2) | texts
arguments |= st.dictionaries(texts, plain, max_size=2).map(json.dumps)
counts = st.integers(0, 10_000)

_BASIC: Strategy = st.one_of(
    st.builds(Content.from_text, texts),
    st.builds(Content.from_text_reasoning, text=texts),
    st.builds(Content.from_data, st.binary(max_size=9), st.just("image/png")),
    st.builds(Content.from_data, st.binary(max_size=9), st.just("text/plain")),
    st.just(Content.from_uri("https://example.org/a.pdf", media_type="text/pdf")),
    st.just(Content.from_uri("https://example.org/a.png", media_type="image/png")),
    st.builds(Content.from_hosted_file, texts),
    st.builds(
        Content.from_error,
        message=st.none() | texts,
        error_code=st.none() | texts,
        error_details=st.none() | texts,
    ),
)

calls: Strategy = st.builds(
    Content.from_function_call, ids, names, arguments=arguments, id=st.just("f")
)

contents: Strategy = st.one_of(
    _BASIC,
    calls,
    st.builds(
        Content.from_function_result,
        ids,
        result=plain | st.lists(_BASIC, max_size=2),
        exception=st.none() | texts,
    ),
    st.builds(
        Content.from_usage,
        st.fixed_dictionaries(
            {}, optional={"input_token_count": counts, "output_token_count": counts}
        ),
    ),
    st.builds(Content.from_function_approval_request, st.just("f"), calls),
    st.builds(
        Content.from_function_approval_response, st.booleans(), st.just("f"), calls
    ),
    st.builds(
        Content.from_code_interpreter_tool_call,
        call_id=st.none() | ids,
        inputs=st.none() | st.lists(_BASIC, max_size=2),
    ),
    st.builds(
        Content.from_code_interpreter_tool_result,
        call_id=st.none() | ids,
        outputs=st.none() | st.lists(_BASIC, max_size=2),
    ),
    st.builds(Content.from_mcp_server_tool_call, ids, names, arguments=arguments),
    st.builds(Content.from_mcp_server_tool_result, call_id=ids, output=plain),
    st.builds(Content.from_image_generation_tool_call, image_id=st.none() | ids),
    st.builds(
        Content.from_image_generation_tool_result, image_id=ids, outputs=st.none()
    ),
    st.builds(
        Content.from_shell_tool_call, call_id=ids, commands=st.lists(texts, max_size=2)
    ),
)

messages: Strategy = st.builds(
    Message,
    st.sampled_from(["user", "assistant", "tool", "system", "developer", "critic"]),
    st.lists(contents, max_size=3),
    author_name=st.none() | texts,
    message_id=st.none() | st.sampled_from(["m1", "m2", "m3", ""]),
    additional_properties=st.none()
    | st.dictionaries(st.just("_excluded") | texts, plain, max_size=2),
)

_BEGIN = datetime(2026, 8, 7, tzinfo=UTC)
moments = st.integers(0, 10_000).map(lambda n: _BEGIN + timedelta(milliseconds=n))
# Objects with these keys mean something to the framework.
markers = st.sampled_from(["__pickled__", "__type__"])
values = st.recursive(
    scalars
    | st.floats()
    | st.binary(max_size=3)
    | st.tuples(scalars, scalars)
    | moments,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(texts | scalars | markers, inner, max_size=2)
    ),
    max_leaves=4,
)


def checkpoints(checkpoint_ids: Strategy, workflow_names: Strategy) -> Strategy:
    """
    Make checkpoints, each of a time that no other has.
    """
    taken = set[datetime]()

    def unused(moment: datetime) -> str:
        while moment in taken:
            moment += timedelta(microseconds=1)
        taken.add(moment)
        return moment.isoformat()

    return st.builds(
        WorkflowCheckpoint,
        workflow_name=workflow_names,
        graph_signature_hash=texts,
        checkpoint_id=checkpoint_ids,
        previous_checkpoint_id=st.none() | checkpoint_ids,
        timestamp=moments.map(unused),
        messages=st.dictionaries(texts, st.lists(values, max_size=2), max_size=2),
        state=st.dictionaries(texts, values, max_size=3),
        iteration_count=counts,
        metadata=st.dictionaries(texts, values, max_size=2),
    )
