"""
Hypothesis strategies for values: whatever a store must keep faithfully.

Those of sessions, runs and events make what may be saved or appended; each takes, by
the names of the fields, strategies to use instead of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
from hypothesis import strategies as st

from asm_async.values.artifact import Artifact
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.fields import MAX_AMOUNT, MAX_COUNT, MAX_TEXT_LENGTH
from asm_async.values.json_values import (
    MAX_DEPTH,
    MAX_INTEGER_DIGITS,
    JSONObject,
    normalise_json,
)
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import MAX_KEY_BYTES, OWN_SCOPES, StateItem
from asm_async.values.token_usage import TOKEN_COUNTS

__all__ = [
    "amounts",
    "artifacts",
    "counts",
    "event_types",
    "events",
    "execution_results",
    "ids",
    "json_objects",
    "json_scalars",
    "json_texts",
    "json_values",
    "runs",
    "sessions",
    "tags",
    "text_fields",
    "times",
    "token_usages",
]

_AWKWARD_TEXTS = (
    "\0",
    "a\0b",
    "\\u0000",
    "\ud800",
    "\udfff",
    "\udc00\ud800",
    "\U0001f600",
    "e\u0301",
    "\u2028\u2029",
    "\uffff\U0010ffff",
)
_AWKWARD_FLOATS = (-0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1)
_AWKWARD_INTEGERS = (2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64)
_A_DAY = timedelta(days=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_ENDS_OF_TIME = (
    _FIRST,
    _LAST,
    _FIRST.astimezone(timezone(timedelta(hours=14))),
    _LAST.astimezone(timezone(timedelta(hours=-12))),
)
_TOKEN_COUNTS = ("input_tokens", "output_tokens", "total_tokens")
_SHALLOW = 10


def json_texts() -> st.SearchStrategy[str]:
    """
    Make any text JSON can hold, NULs and lone surrogates among it, as it comes back.
    """
    any_text = st.text(st.characters(exclude_categories=()))
    made = any_text | st.sampled_from(_AWKWARD_TEXTS)
    return made.map(lambda text: normalise_json(text, "text"))


def json_scalars() -> st.SearchStrategy[Any]:
    """
    Make null, a truth value, any text, or any number within the bounds.

    Integers have up to 4,300 digits; floats are any but NaN and the infinities,
    negative zero and subnormal ones included.
    """
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from(_AWKWARD_INTEGERS),
        st.builds(_long_integer, st.integers(1, MAX_INTEGER_DIGITS), st.booleans()),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(_AWKWARD_FLOATS),
        json_texts(),
    )


def json_values(*, max_depth: int = MAX_DEPTH) -> st.SearchStrategy[Any]:
    """
    Make any JSON value within the bounds, as it comes back from a store.

    Objects have their keys in any order.

    Args:
        max_depth: How many objects and arrays are nested at most, 10 to 200.
    """
    shallow = st.recursive(json_scalars(), _one_level_more, max_leaves=8)
    layers = st.integers(0, max_depth - _SHALLOW)
    kinds = st.lists(st.sampled_from((list, dict)), min_size=1, max_size=3)
    return shallow | st.builds(_nest, shallow, layers, kinds)


def json_objects() -> st.SearchStrategy[JSONObject]:
    """
    Make any JSON object within the bounds, its keys in any order.
    """
    members = json_values(max_depth=MAX_DEPTH - 1)
    return st.dictionaries(json_texts(), members, max_size=3)


def text_fields() -> st.SearchStrategy[str]:
    """
    Make any text an id or other text field can hold: 1 to 255 characters.
    """
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    short = st.text(characters, min_size=1, max_size=MAX_TEXT_LENGTH)
    longest = short.map(lambda text: (text * MAX_TEXT_LENGTH)[:MAX_TEXT_LENGTH])
    return short | longest


def ids() -> st.SearchStrategy[str]:
    """
    Make any id: such as are minted, and such as callers bring.
    """
    minted = st.builds(_minted, st.sampled_from(("ses", "run", "evt")), st.uuids())
    return minted | text_fields()


def tags() -> st.SearchStrategy[tuple[str, ...]]:
    """
    Make any tags, each once.
    """
    return st.lists(text_fields(), max_size=5, unique=True).map(tuple)


def times() -> st.SearchStrategy[datetime]:
    """
    Make any aware time that UTC can tell: in any zone, from the year 1 to 9999.
    """
    offset = _A_DAY - timedelta.resolution
    zones = st.timezones() | st.timedeltas(-offset, offset).map(timezone)
    zoned = st.datetimes(
        min_value=(_FIRST + _A_DAY).replace(tzinfo=None),
        max_value=(_LAST - _A_DAY).replace(tzinfo=None),
        timezones=zones,
    )
    in_utc = st.datetimes(timezones=st.just(UTC))
    return in_utc | zoned | st.sampled_from(_ENDS_OF_TIME)


def counts() -> st.SearchStrategy[int]:
    """
    Make any number from 0 to 2**53 - 1.
    """
    return st.integers(0, MAX_COUNT)


def amounts() -> st.SearchStrategy[float]:
    """
    Make any amount from 0 to 10**15.
    """
    return st.floats(min_value=0, max_value=MAX_AMOUNT)


def token_usages() -> st.SearchStrategy[JSONObject]:
    """
    Make any token usage: some of the three counts, and keys of the application's own.
    """
    some_counts = st.fixed_dictionaries(
        {}, optional={key: counts() for key in _TOKEN_COUNTS}
    )
    return st.builds(_token_usage, some_counts, json_objects())


def event_types() -> st.SearchStrategy[EventType | str]:
    """
    Make any event type: one that all runtimes share, or an application's own.
    """
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    half = st.text(characters, max_size=127)
    own = st.builds("{}.{}".format, half, half).filter(
        lambda text: not text.startswith("asm.")
    )
    return st.sampled_from(EventType) | own


def sessions(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Session]:
    """
    Make any session that may be saved.
    """
    defaults: dict[str, st.SearchStrategy[Any]] = {
        "id": ids(),
        "agent_id": text_fields(),
        "status": st.sampled_from(SessionStatus),
        "created_at": times(),
        "updated_at": times(),
        "tenant_id": st.none() | text_fields(),
        "user_id": st.none() | text_fields(),
        "parent_session_id": st.none() | ids(),
        "metadata": json_objects(),
        "context": json_objects(),
        "tags": tags(),
    }
    return st.builds(Session, **(defaults | fields))


def runs(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Run]:
    """
    Make any run that may be saved.
    """
    defaults: dict[str, st.SearchStrategy[Any]] = {
        "id": ids(),
        "session_id": ids(),
        "status": st.sampled_from(RunStatus),
        "started_at": times(),
        "ended_at": st.none() | times(),
        "input": json_values(),
        "output": json_values(),
        "error": st.none() | json_objects(),
        "metadata": json_objects(),
        "turn_count": counts(),
        "token_usage": token_usages(),
        "provider": st.none() | text_fields(),
        "provider_metadata": json_objects(),
        "cost_usd": st.none() | amounts(),
    }
    return st.builds(Run, **(defaults | fields))


def events(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    """
    Make any event that may be appended.
    """
    defaults: dict[str, st.SearchStrategy[Any]] = {
        "id": ids(),
        "type": event_types(),
        "timestamp": times(),
        "session_id": ids(),
        "run_id": st.none() | ids(),
        "data": json_objects(),
        "metadata": json_objects(),
        "schema_version": st.integers(1, MAX_COUNT),
        "provider": st.none() | text_fields(),
        "correlation_id": st.none() | text_fields(),
    }
    return st.builds(Event, **(defaults | fields))


def artifacts(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Artifact]:
    """
    Make any artifact that may be registered.
    """
    defaults: dict[str, st.SearchStrategy[Any]] = {
        "id": ids(),
        "key": text_fields(),
        "byte_size": counts(),
        "checksum_sha256": st.binary(min_size=32, max_size=32).map(bytes.hex),
        "storage_backend": text_fields(),
        "storage_ref": st.lists(text_fields(), min_size=1, max_size=8).map("".join),
        "created_at": times(),
        "session_id": st.none() | ids(),
        "run_id": st.none() | ids(),
        "content_type": st.none() | text_fields(),
        "metadata": json_objects(),
    }
    return st.builds(Artifact, **(defaults | fields))


def state_items(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[StateItem]:
    """
    Make any state item that may be exported.
    """
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    defaults: dict[str, st.SearchStrategy[Any]] = {
        "scope": text_fields().filter(lambda scope: not scope.startswith(OWN_SCOPES)),
        "key": st.text(characters, min_size=1, max_size=MAX_KEY_BYTES // 4),
        "data": json_values(),
        "content": st.none() | st.binary(max_size=100),
        "session_id": st.none() | ids(),
        "updated_at": times(),
    }
    return st.builds(StateItem, **(defaults | fields))


def execution_results() -> st.SearchStrategy[ExecutionResult]:
    """
    Make any execution's result that may be flushed.
    """
    logs = st.lists(events(), max_size=3, unique_by=lambda event: event.id)
    return st.builds(_execution_result, sessions(), runs(), logs, json_objects())


def _minted(prefix: str, uuid: UUID) -> str:
    return f"{prefix}_{uuid.hex}"


def _long_integer(digits: int, is_negative: bool) -> int:  # noqa: FBT001 - drawn by position
    magnitude = int("9" * digits)
    return -magnitude if is_negative else magnitude


def _one_level_more(members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arrays = st.lists(members, max_size=3)
    return arrays | st.dictionaries(json_texts(), members, max_size=3)


def _nest(value: Any, layers: int, kinds: list[type]) -> Any:
    for layer in range(layers):
        is_array = kinds[layer % len(kinds)] is list
        value = [value] if is_array else {"within": value}
    return value


def _token_usage(some_counts: JSONObject, more: JSONObject) -> JSONObject:
    own = {key: value for key, value in more.items() if key not in TOKEN_COUNTS}
    return {**own, **some_counts}


def _execution_result(
    session: Session, run: Run, log: list[Event], provider_metadata: JSONObject
) -> ExecutionResult:
    return ExecutionResult(
        session=session,
        run=attrs.evolve(run, session_id=session.id),
        events=tuple(attrs.evolve(event, session_id=session.id) for event in log),
        provider_metadata=provider_metadata,
    )
