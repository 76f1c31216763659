"""
Whatever values are made of, they are made or refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_async.errors import ASMError, ValidationError
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.wrong_values import anything, deep_values
from asm_async.values.artifact import Artifact, ArtifactContent
from asm_async.values.event import Event
from asm_async.values.event_feed import ConsumerState, FeedLag
from asm_async.values.page import Page
from asm_async.values.retention import RetentionPolicy
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport
from asm_async.values.token_price import TokenPrice
from tests.effort import examples

many_examples = settings(
    max_examples=examples(60),
)

EXPORT = SessionExport(
    session=make_session(revision=1),
    runs=(make_run(revision=1),),
    events=(make_event(sequence_number=1),),
    latest_sequence=1,
    pruned_count=0,
)
CONTENT = ArtifactContent(
    byte_size=1, checksum_sha256="0" * 64, storage_backend="local", storage_ref="a"
)
VALUES: tuple[Any, ...] = (
    make_session(),
    make_run(),
    make_event(),
    make_execution_result(),
    make_artifact(),
    EXPORT,
    CONTENT,
    RetentionPolicy(),
    TokenPrice(input_usd_per_million=1.0, output_usd_per_million=1.0),
    Page[int](items=(1,)),
    FeedLag(pending_events=1),
)
NAMES = [type(value).__name__ for value in VALUES]

FROM_DICT: Mapping[str, tuple[Callable[[Any], Any], Mapping[str, Any]]] = {
    "Session": (Session.from_dict, make_session().to_dict()),
    "Run": (Run.from_dict, make_run().to_dict()),
    "Event": (Event.from_dict, make_event().to_dict()),
    "Artifact": (Artifact.from_dict, make_artifact().to_dict()),
    "SessionExport": (SessionExport.from_dict, EXPORT.to_dict()),
}

JSON_FIELDS: tuple[tuple[Callable[..., object], str], ...] = (
    (make_session, "metadata"),
    (make_session, "context"),
    (make_run, "input"),
    (make_run, "output"),
    (make_run, "error"),
    (make_run, "metadata"),
    (make_run, "token_usage"),
    (make_run, "provider_metadata"),
    (make_event, "data"),
    (make_event, "metadata"),
    (make_artifact, "metadata"),
)
RUN_CHANGES = (
    "complete",
    "fail",
    "set_cost",
    "set_provider",
    "update_token_usage",
    "update_status",
)


def told(call: Callable[[], object]) -> str | None:
    """
    Return the message of the refusal, or None if there is none.
    """
    try:
        call()
    except ASMError as error:
        message = str(error)
    else:
        return None
    assert len(message) < 10_000, "a message is to be read"
    return message


@pytest.mark.parametrize("value", VALUES, ids=NAMES)
@many_examples
@given(data=st.data(), wrong=anything())
def test_a_field_is_taken_or_named(value: Any, data: st.DataObject, wrong: Any) -> None:
    """
    A refusal begins with the name of the field, and what is taken is in normal form.
    """
    kind: Any = value.__class__
    fields = [field.name for field in attrs.fields(kind)]
    name = data.draw(st.sampled_from(fields))

    made: list[Any] = []
    message = told(lambda: made.append(attrs.evolve(value, **{name: wrong})))

    if message is None:
        assert attrs.evolve(made[0]) == made[0]
    elif name not in message:
        # Fields may fit alone and not together: the refusal names one of them.
        assert message.startswith(tuple(fields))


@pytest.mark.parametrize(("make", "good"), FROM_DICT.values(), ids=FROM_DICT)
@many_examples
@given(data=st.data(), wrong=anything())
def test_a_dictionary_is_taken_or_its_culprit_named(
    make: Callable[[Any], Any],
    good: Mapping[str, Any],
    data: st.DataObject,
    wrong: Any,
) -> None:
    """
    Whichever of its members is wrong, missing or too many, or if it is none at all.
    """
    name = data.draw(st.sampled_from(sorted(good)))

    message = told(lambda: make({**good, name: wrong}))
    assert message is None or message.startswith((name, *good))
    with pytest.raises(ValidationError, match="there is no field of this name"):
        make({**good, "unheard_of": wrong})
    with pytest.raises(ValidationError, match="required field is missing"):
        make({})
    told(lambda: make(wrong))


@pytest.mark.parametrize("change", RUN_CHANGES)
@many_examples
@given(wrong=anything())
def test_a_change_is_made_or_refused(change: str, wrong: Any) -> None:
    """
    A run is changed as it is made, and a session's status too.
    """
    told(lambda: getattr(make_run(), change)(wrong))
    told(lambda: make_session().update_status(wrong))
    told(lambda: make_session().update_status(make_session().status, at=wrong))


@pytest.mark.parametrize("name", ["arrays", "objects", "a circle"])
def test_nesting_without_bounds_is_refused_with_its_path(name: str) -> None:
    """
    Ten thousand levels, or endlessly many, exhaust nothing, wherever JSON is taken.
    """
    deep = {"steps": [deep_values()[name]]}

    for make, field in JSON_FIELDS:
        message = told(partial(make, **{field: deep}))
        assert message is not None
        assert message.startswith(f"{field}['steps'][0][")
        assert message.endswith("nested more than 200 levels deep")


def test_what_a_value_holds_is_no_part_of_it() -> None:
    """
    The state of a consumer refuses what is no time, too.
    """
    wrong: Any = "now"
    with pytest.raises(ValidationError, match=r"^updated_at"):
        ConsumerState(
            name="one",
            checkpoint=None,
            fencing_token=0,
            holder=None,
            leased_until=None,
            updated_at=wrong,
        )


def test_a_message_repeats_no_more_than_can_be_read() -> None:
    """
    Of a text of any length, be it a time, a status or a key, it shows the beginning.
    """
    long, event = "x" * 100_000, make_event().to_dict()
    for wrong in (
        {**event, "timestamp": long},
        {**event, long: 1},
        {**event, "data": {long: float("nan")}},
    ):
        message = told(partial(Event.from_dict, wrong))
        assert message is not None
        assert "xxx'..." in message or "xxx..." in message
    status = told(partial(make_session, status=long))
    assert status is not None
    assert status.startswith("status: 'xxx")
