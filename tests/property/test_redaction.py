"""
Whatever JSON Hypothesis can think of loses what a policy names, and nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from asm_async import open_store
from asm_async.errors import ValidationError
from asm_async.redaction import Pattern, RedactingSessionStore, RedactionPolicy
from asm_async.testing import strategies
from asm_async.testing.factories import (
    make_event,
    make_execution_result,
    make_run,
    run_of,
    session_of,
)
from asm_async.testing.factories import make_session as new_session
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.json_values import encode_json
from tests.effort import examples

SECRET = "5ec2e7d0c0de"  # noqa: S105 - of nobody's
KEY = "password"

# What matches by itself, and what looks at its neighbours: those a replacement changes.
ALONE = ["^a", "a+", "b*", "(?s).", "[red]+", "E", "#", "[^#]", r"\]"]
LOOKING_AROUND = ["a$", r"\ba", r"a\b", "(?<=b)a", "a(?!b)"]
PATTERNS = st.sampled_from([*ALONE, *LOOKING_AROUND])
REPLACEMENTS = st.sampled_from(["[redacted]", "##END", "x", "ab"])
TEXTS = st.text("ab#ENDred[] \n", max_size=20)


def policies_of(patterns: st.SearchStrategy[str]) -> st.SearchStrategy[RedactionPolicy]:
    """
    Make policies of some *patterns*.
    """
    return st.builds(
        RedactionPolicy,
        keys=st.lists(st.sampled_from([KEY, "a", "b"]), max_size=2),
        ignores_case=st.booleans(),
        patterns=st.lists(patterns, max_size=3),
        replacement=REPLACEMENTS,
    )


policies = policies_of(PATTERNS)
small_values = st.recursive(
    TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda members: (
        st.lists(members, max_size=4)
        | st.dictionaries(st.sampled_from([KEY, "PASSWORD", "a", "A", "c"]), members)
    ),
    max_leaves=20,
)


def with_secrets(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """
    Make JSON objects with the secret in a named member, and within a text, somewhere.
    """

    def hide(value: Any, before: str, after: str, *, is_inside: bool) -> Any:
        hidden = {KEY: value, "Password": SECRET, "text": f"{before}{SECRET}{after}"}
        return {"of": [hidden, value]} if is_inside else hidden

    # Hexadecimal digits next to it would be part of another text than the secret.
    around = st.text("xyz \u00e9\U0001f600", max_size=5)
    return st.builds(hide, values, around, around, is_inside=st.booleans())


def expression(pattern: Pattern | re.Pattern[str]) -> re.Pattern[str]:
    """
    Return what is looked for, with a name or without.
    """
    return pattern.regex if isinstance(pattern, Pattern) else pattern


def same_where_unnamed(value: Any, redacted: Any, policy: RedactionPolicy) -> bool:
    """
    Return whether all that *policy* does not name is the same, and of the same type.
    """
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return [*members] == [*redacted] and all(
            redacted[key] == policy.replacement
            if policy.redact({key: 1}) != {key: 1}
            else same_where_unnamed(member, redacted[key], policy)
            for key, member in members.items()
        )
    if isinstance(value, list):
        items = cast("list[object]", value)
        return len(items) == len(redacted) and all(
            same_where_unnamed(*pair, policy)
            for pair in zip(items, redacted, strict=True)
        )
    if isinstance(value, str) and redacted != value:
        return policy.replacement in redacted and any(
            match.group()
            for pattern in policy.patterns
            for match in expression(pattern).finditer(value)
        )
    return type(value) is type(redacted) and encode_json(value) == encode_json(redacted)


@given(value=strategies.json_values(), is_named=st.booleans())
def test_what_is_not_matched_is_identical(value: Any, *, is_named: bool) -> None:
    """
    Any JSON at all comes through a policy that names none of it to the last bit.
    """
    keys = ["a name that nothing has"] if is_named else []
    policy = RedactionPolicy(keys=keys, patterns=["no text is like th[i]s"])

    assert encode_json(policy.redact(value)) == encode_json(value)


@given(small_values, policies)
def test_only_what_is_matched_is_changed(value: Any, policy: RedactionPolicy) -> None:
    """
    Keys, their order, numbers and types stay beside what is replaced.
    """
    assert same_where_unnamed(value, policy.redact(value), policy)


@given(small_values, policies_of(st.sampled_from(ALONE)))
def test_redacting_again_changes_nothing(value: Any, policy: RedactionPolicy) -> None:
    """
    So a value that was read and saved is the same content.

    A pattern that looks at what stands around a match may find more then, since a
    replacement stands there.
    """
    once = policy.redact(value)

    assert encode_json(policy.redact(once)) == encode_json(once)


@given(TEXTS, policies)
def test_each_match_is_gone_and_the_rest_stays(
    text: str, policy: RedactionPolicy
) -> None:
    """
    The spans that the patterns match in the text are exactly what is replaced.
    """
    is_hidden = [False] * len(text)
    for pattern in policy.patterns:
        for match in expression(pattern).finditer(text):
            is_hidden[slice(*match.span())] = [True] * len(match.group())
    if policy.replacement in text:
        return
    kept = "".join(
        letter for letter, hidden in zip(text, is_hidden, strict=True) if not hidden
    )

    assert "".join(policy.redact_text(text).split(policy.replacement)) == kept


def bytes_in(directory: Path) -> bytes:
    """
    Read all files of a directory: the database, and its log, which holds all of it.
    """
    return b"".join(path.read_bytes() for path in directory.iterdir())


async def written_bytes(result: ExecutionResult, policy: RedactionPolicy) -> bytes:
    """
    Store *result* in a new SQLite file, twice, and give every byte of it.
    """
    with TemporaryDirectory() as directory:
        url = f"sqlite+aiosqlite:///{directory}/asm.sqlite3"
        async with open_store(url, migrate=True) as plain:
            store = RedactingSessionStore(plain, policy)
            stored = await store.flush(result)
            again = await store.append_events(result.events)
            assert again == list(stored.events)
            await store.save_session(session_of(result))
            await store.save_run(run_of(result))
            return bytes_in(Path(directory))


@settings(max_examples=examples(10))
@given(with_secrets(small_values))
async def test_what_is_matched_is_gone_from_the_stored_bytes(value: Any) -> None:
    """
    The secret lies neither in the database's file nor in its log, and would otherwise.
    """
    result = make_execution_result(
        session=new_session(metadata=value, context=value),
        run=make_run(
            input=value,
            output=[value],
            error=value,
            metadata=value,
            token_usage={"more": value},
            provider_metadata=value,
        ),
        events=[make_event(data=value, metadata=value)],
    )

    policy = RedactionPolicy(keys=[KEY], patterns=[SECRET])

    assert SECRET.encode() not in await written_bytes(result, policy)
    assert SECRET.encode() in await written_bytes(result, RedactionPolicy())


@given(st.text(min_size=1, max_size=6), st.lists(st.text(max_size=3)))
def test_an_accepted_replacement_is_found_where_it_was_put(
    replacement: str, pieces: list[str]
) -> None:
    """
    Text is cut at the replacements in one way only, and it is the right one.
    """
    try:
        policy = RedactionPolicy(replacement=replacement)
    except ValidationError:
        return
    clean = [piece for piece in pieces if policy.replacement not in piece]

    joined = policy.replacement.join(clean)

    assert joined.split(policy.replacement) == (clean or [""])
