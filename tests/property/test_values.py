from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, cast

import attrs
from hypothesis import given
from hypothesis import strategies as st

from asm_async.testing import strategies as asm
from asm_async.testing.factories import run_of, session_of
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.json_values import (
    MAX_DEPTH,
    decode_json,
    encode_json,
    normalise_json,
    normalise_json_object,
)
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport

# What only a store gives, so that the strategies leave it out.
STORED = {"revision": asm.counts()}
DELETED = {"deleted_at": st.none() | asm.times()}
NUMBERED = {"sequence_number": asm.counts()}


def signature(value: Any) -> Any:
    """
    Give what two JSON values share only if they are equal in type, order and every bit.
    """
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return [(key, signature(member)) for key, member in members]
    if isinstance(value, list):
        return tuple(signature(member) for member in cast("list[object]", value))
    if isinstance(value, float):
        return value.hex()
    return type(value), value


def depth_of(value: Any) -> int:
    """
    Count how many objects and arrays are nested.
    """
    if isinstance(value, dict):
        return depth_of(list(cast("dict[str, Any]", value).values()))
    if isinstance(value, list):
        members = cast("list[object]", value)
        return 1 + max(map(depth_of, members), default=0)
    return 0


# Small values, many of which are equal to Python and yet differ as JSON.
LOOKALIKES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, False, 0, 0.0, -0.0, "", True, 1, 1.0, "1"]),
    lambda members: (
        st.lists(members, max_size=2)
        | st.dictionaries(st.sampled_from("ab"), members, max_size=2)
    ),
    max_leaves=3,
)


def make_export(
    session: Session, runs: list[Run], events: list[Event], gaps: list[int]
) -> SessionExport:
    """
    Make a session of these runs and events, as many numbers missing between the latter.
    """
    numbers = accumulate(gap + 1 for gap in gaps)
    return SessionExport(
        session=session,
        runs=tuple(attrs.evolve(run, session_id=session.id) for run in runs),
        events=tuple(
            attrs.evolve(event, session_id=session.id, sequence_number=number)
            for event, number in zip(events, numbers, strict=False)
        ),
        latest_sequence=len(events) + sum(gaps),
        pruned_count=sum(gaps),
    )


EXPORTS = st.builds(
    make_export,
    asm.sessions(**STORED, **DELETED),
    st.lists(asm.runs(), max_size=2, unique_by=lambda run: run.id),
    st.lists(asm.events(), max_size=3, unique_by=lambda event: event.id),
    st.lists(st.integers(0, 9), min_size=4, max_size=4),
)


@given(asm.json_values())
def test_json_comes_back_to_the_last_bit(value: Any) -> None:
    """
    Any JSON value is equal in type, order and every bit after storing and reading.
    """
    assert signature(decode_json(encode_json(value))) == signature(value)


@given(asm.json_values())
def test_normalising_is_idempotent(value: Any) -> None:
    """
    What is normal stays as it is, in type, order and every bit.
    """
    assert signature(normalise_json(value, "value")) == signature(value)


@given(st.text(st.characters(exclude_categories=())))
def test_text_becomes_what_a_parser_reads(text: str) -> None:
    """
    Normalising a text with any surrogates gives what any JSON parser would.
    """
    assert normalise_json(text, "text") == json.loads(json.dumps(text))


@given(asm.json_objects())
def test_objects_keep_within_the_bounds(value: dict[str, Any]) -> None:
    """
    The strategies make no value that a field would refuse, however deep.
    """
    assert normalise_json_object(value, "data") == value
    assert depth_of(value) <= MAX_DEPTH


@given(LOOKALIKES, LOOKALIKES)
def test_texts_are_equal_where_contents_are(one: Any, other: Any) -> None:
    """
    Two values have one text if and only if they are equal in type, order and every bit.
    """
    same = signature(one) == signature(other)

    assert (encode_json(one) == encode_json(other)) is same


@given(asm.times())
def test_a_time_keeps_its_instant(time: datetime) -> None:
    """
    A time of any zone is the same instant in UTC, and so is its text.
    """
    normal = fields.utc_time(time, "time")
    written = normal.isoformat(timespec="microseconds")

    assert normal - time == timedelta(0)
    assert (normal.tzinfo, normal.fold) == (UTC, 0)
    assert fields.utc_time(normal, "time") is normal
    assert datetime.fromisoformat(written) == normal


@given(asm.text_fields() | asm.ids())
def test_texts_keep_within_the_bounds(text: str) -> None:
    """
    The strategies make no text that a field would refuse.
    """
    assert fields.text(text, "id") == text


@given(asm.amounts() | st.integers(0, 10**15))
def test_an_amount_keeps_every_bit(amount: float) -> None:
    """
    An amount stays what it is, and below no sign.
    """
    normal = fields.amount(amount, "cost_usd")

    assert normal == amount
    assert math.copysign(1, normal) == 1


@given(asm.sessions(**STORED, **DELETED))
def test_a_session_comes_back_from_its_dict(session: Session) -> None:
    """
    from_dict is the inverse of to_dict, also by way of JSON text.
    """
    given_dict = session.to_dict()
    restored = Session.from_dict(decode_json(encode_json(given_dict)))

    assert Session.from_dict(given_dict) == restored == session
    assert restored.has_same_content(session)


@given(asm.runs(**STORED))
def test_a_run_comes_back_from_its_dict(run: Run) -> None:
    """
    from_dict is the inverse of to_dict, also by way of JSON text.
    """
    given_dict = run.to_dict()
    restored = Run.from_dict(decode_json(encode_json(given_dict)))

    assert Run.from_dict(given_dict) == restored == run
    assert restored.has_same_content(run)


@given(asm.events(**NUMBERED))
def test_an_event_comes_back_from_its_dict(event: Event) -> None:
    """
    from_dict is the inverse of to_dict, also by way of JSON text.
    """
    given_dict = event.to_dict()
    restored = Event.from_dict(decode_json(encode_json(given_dict)))

    assert Event.from_dict(given_dict) == restored == event
    assert restored.has_same_content(event)


@given(EXPORTS)
def test_an_export_comes_back_from_its_dict(export: SessionExport) -> None:
    """
    from_dict is the inverse of to_dict, also by way of JSON text.
    """
    given_dict = export.to_dict()

    assert SessionExport.from_dict(given_dict) == export
    assert SessionExport.from_dict(decode_json(encode_json(given_dict))) == export


@given(asm.sessions(**STORED), asm.runs(**STORED), asm.events(**NUMBERED))
def test_a_value_made_of_a_values_fields_is_equal(
    session: Session, run: Run, event: Event
) -> None:
    """
    Bringing fields into normal form is idempotent.
    """
    assert attrs.evolve(session).has_same_content(session)
    assert attrs.evolve(run).has_same_content(run)
    assert attrs.evolve(event) == event


@given(asm.execution_results())
def test_the_parts_of_an_execution_belong_together(result: ExecutionResult) -> None:
    """
    A result's run and events are its session's; the run has all the provider reported.
    """
    owners = {run_of(result).session_id, *(event.session_id for event in result.events)}

    assert owners == {session_of(result).id}
    reported = run_of(result).provider_metadata
    assert result.provider_metadata.items() <= reported.items()
