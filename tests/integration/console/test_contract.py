"""
What the console answers is what its page is written for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from asm_async import conventions
from asm_async.console import answers, entry_answers
from asm_async.testing.factories import make_run, make_session
from tests.console_seed import LONG_SESSION, read_conversations, seed
from tests.integration.console.serving import Console
from tests.integration.console.test_live import LIST, STREAM, next_of
from tests.integration.fastapi.event_source import open_stream

SAMPLE = Path(__file__).parents[3] / "examples" / "data" / "conversations.json"

LONG = {"session_id": LONG_SESSION}
ANSWERS: list[tuple[str, dict[str, Any], Any]] = [
    ("about", {}, answers.About),
    ("sessions", {"count": True}, answers.RowPage),
    ("sessions", {"q": "conversation", "limit": 3}, answers.RowPage),
    ("texts", {"q": "flight"}, answers.SaidPage),
    ("rows", LONG, answers.RowList),
    ("session", LONG, answers.SessionAnswer),
    ("runs", LONG, answers.RunPage),
    ("run", {**LONG, "run_id": f"run_{LONG_SESSION}_0"}, answers.RunAnswer),
    ("tree", {"session_id": "ses_00001"}, answers.Tree),
    ("entries", {**LONG, "limit": 500}, entry_answers.Window),
    ("entries", {"session_id": "ses_all", "limit": 500}, entry_answers.Window),
    ("event", {**LONG, "sequence": 2}, entry_answers.WholeEvent),
    ("find", {**LONG, "q": "flight"}, entry_answers.Finds),
    ("locate", {**LONG, "run_id": "none"}, entry_answers.Place),
    ("usage", {"group_by": ["model", "user"], "bucket": "day"}, answers.Usage),
    ("latency", {"group_by": "agent"}, answers.Latency),
]


async def store_all_kinds(console: Console) -> None:
    """
    Store a few conversations, and a session with an event of each kind.
    """
    await seed(
        console.ports, read_conversations(SAMPLE), sessions=6, events=200, messages=None
    )
    await console.ports.store.save_session(
        make_session(id="ses_all", parent_session_id="ses_00001")
    )
    await console.ports.store.save_run(
        make_run(session_id="ses_all").fail({"message": "no"})
    )
    options: dict[str, Any] = {"session_id": "ses_all"}
    tool: dict[str, Any] = {"tool_call_id": "c", "tool_name": "t", **options}
    image = "data:image/png;base64,iVBORw0KGgo="
    await console.ports.store.append_events(
        [
            conventions.session_failed(error_message="no", **options),
            conventions.run_started(model="m", **options),
            conventions.message_sent(
                content=[
                    {"type": "text", "text": "a"},
                    {"type": "image_url", "image_url": image},
                    {"type": "own"},
                ],
                **options,
            ),
            conventions.message_streamed(delta="d", message_id="m", **options),
            conventions.tool_call_started(tool_input={}, **tool),
            conventions.tool_call_failed(error_message="e", duration_ms=1, **tool),
            conventions.tool_approval_requested(reason="r", policy_name="p", **tool),
            conventions.error_occurred(error_message="e", error_code="c", **options),
            conventions.error_recovered(**options),
            conventions.token_usage_updated(
                input_tokens=1, output_tokens=1, model="m", **options
            ),
            conventions.turn_completed(turn=1, **options),
            conventions.workspace_snapshot_taken(ref="r", **options),
            conventions.policy_violation(policy="p", kind="k", **options),
            conventions.run_completed(
                output=1, token_usage={"input_tokens": 1}, cost_usd=1, **options
            ),
            conventions.run_timeout(reason="late", **options),
        ]
    )
    await console.ports.store.retract_events("ses_all", first=1, last=1)
    assert console.ports.text_search is not None
    await console.ports.text_search.update()


def assert_is(kind: Any, answer: Any) -> None:
    """
    Prove that an answer has exactly the members of its kind, each of its type.
    """
    adapter = TypeAdapter(kind)

    # What it does not know is left out by it.
    assert adapter.validate_python(answer, strict=True) == answer


async def test_each_route_answers_what_is_described(console: Console) -> None:
    """
    Every answer has all members of its type, of the right types, and no others.
    """
    await store_all_kinds(console)

    for path, asked, kind in ANSWERS:
        assert_is(kind, await console.get(path, **asked))


async def test_each_message_is_what_is_described(console: Console) -> None:
    """
    The messages of streams are of their types, too.
    """
    await store_all_kinds(console)

    asked = {"session_id": "ses_all"}
    async with open_stream(console.client, STREAM, params=asked) as stream:
        entries = await next_of(stream, "entries")
        session = await next_of(stream, "session")
    async with open_stream(console.client, LIST) as stream:
        rows = await next_of(stream, "sessions")

    assert_is(entry_answers.NewEntries, entries.data)
    assert_is(answers.LiveSession, session.data)
    assert_is(answers.ChangedRows, rows.data)


async def test_every_kind_of_entry_is_among_them(memory_console: Console) -> None:
    """
    The sample has an entry of each kind, so that none goes unchecked.
    """
    await store_all_kinds(memory_console)

    kinds: set[str] = set()
    for session_id in ("ses_all", LONG_SESSION):
        window = await memory_console.get("entries", session_id=session_id, limit=500)
        kinds |= {entry["kind"] for entry in window["items"]}

    assert kinds == set(get_args(entry_answers.EntryKind)) - {"other"}


WRONG: list[dict[str, Any]] = [
    {"limit": 1},
    {"items": [{}]},
    {"cursor": 5},
    {"total": "1"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_another_answer_is_noticed(wrong: dict[str, Any]) -> None:
    """
    A member too many, too few, or of another type fails the check.
    """
    page: dict[str, Any] = {"items": [], "cursor": None, "total": None, "looked_at": 0}
    assert_is(answers.RowPage, page)

    with pytest.raises((AssertionError, ValueError)):
        assert_is(answers.RowPage, {**page, **wrong})
