from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
    numbered,
)
from asm_async.values.session_export import SessionExport

FIELDS = [
    "session",
    "runs",
    "artifacts",
    "items",
    "events",
    "latest_sequence",
    "pruned_count",
]
ITEM = make_item(session_id="ses_1", data=1, content=b"\xff")


def make_export(**fields: Any) -> SessionExport:
    """
    Make the export of a session with one of each, and events 2 to 4 of four.
    """
    defaults: dict[str, Any] = {
        "session": make_session(deleted_at=NOON, revision=2),
        "runs": [make_run()],
        "artifacts": [make_artifact(deleted_at=NOON)],
        "items": [ITEM],
        "events": numbered(make_events(3), first=2),
        "latest_sequence": 4,
        "pruned_count": 1,
    }
    return SessionExport(**(defaults | fields))


def test_an_export_holds_a_session_whole() -> None:
    """
    All its parts and both counts are held; artifacts and items may be left out.
    """
    export = make_export()

    assert export.session == make_session(deleted_at=NOON, revision=2)
    assert export.runs == (make_run(),)
    assert export.artifacts == (make_artifact(deleted_at=NOON),)
    assert export.items == (ITEM,)
    assert [event.sequence_number for event in export.events] == [2, 3, 4]
    assert (export.latest_sequence, export.pruned_count) == (4, 1)
    make = cast("Callable[[], SessionExport]", SessionExport)
    with pytest.raises(TypeError, match="5 required"):
        make()


@pytest.mark.parametrize(
    ("numbers", "latest", "pruned"),
    [([], 0, 0), ([], 7, 7), ([1], 1, 0), ([1, 5], 9, 7)],
    ids=["empty", "all pruned", "whole", "holes"],
)
def test_numbers_may_be_missing_where_events_were_pruned(
    numbers: list[int], latest: int, pruned: int
) -> None:
    """
    Stored and pruned events make up all numbers, wherever the gaps are.
    """
    events = [make_event(id=f"evt_{n}", sequence_number=n) for n in numbers]
    export = make_export(events=events, latest_sequence=latest, pruned_count=pruned)

    assert [event.sequence_number for event in export.events] == numbers


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"session": {}}, "session: expected a Session, got a dict"),
        ({"runs": [make_event()]}, "runs[0]: expected a Run, got an Event"),
        ({"events": make_event()}, "events: expected a list, got an Event"),
        ({"latest_sequence": -1}, "latest_sequence: the number is not within"),
        ({"pruned_count": None}, "pruned_count: expected a whole number"),
        (
            {"runs": [make_run(session_id="ses_2")]},
            "runs[0]: 'run_1' belongs to session 'ses_2', not to 'ses_1'",
        ),
        (
            {"events": numbered([make_event(session_id="ses_2")])},
            "events[0]: 'evt_1' belongs to session 'ses_2', not to 'ses_1'",
        ),
        ({"runs": [make_run(), make_run()]}, "runs[1]: 'run_1' appears twice"),
        (
            {"artifacts": [make_artifact(session_id=None)]},
            "artifacts[0]: 'art_1' belongs to session None, not to 'ses_1'",
        ),
        ({"artifacts": [make_artifact()] * 2}, "artifacts[1]: 'art_1' appears twice"),
        (
            {"items": [make_item()]},
            "items[0]: ('app/user', 'theme') belongs to session None, not to 'ses_1'",
        ),
        ({"items": [ITEM, ITEM]}, "items[1]: ('app/user', 'theme') appears twice"),
        (
            {"events": numbered([make_event(), make_event()])},
            "events[1]: 'evt_1' appears twice",
        ),
        (
            {"events": make_events(1)},
            "events[0]: the sequence number 0 is not within 1 to 4",
        ),
        (
            {"events": numbered(make_events(3))[::-1]},
            "events[1]: the sequence number 2 is not within 4 to 4",
        ),
        (
            {"events": numbered(make_events(1), first=5)},
            "events[0]: the sequence number 5 is not within 1 to 4",
        ),
        (
            {"pruned_count": 0},
            "pruned_count: 0 and 3 stored events do not add up to 4",
        ),
        (
            {"latest_sequence": 5},
            "pruned_count: 1 and 3 stored events do not add up to 5",
        ),
    ],
    ids=range(18),
)
def test_what_is_no_whole_session_is_refused(
    change: dict[str, Any], message: str
) -> None:
    """
    What belongs elsewhere, stands twice, is out of order or lost is named.
    """
    with pytest.raises(ValidationError) as caught:
        make_export(**change)

    assert str(caught.value).startswith(message)


def test_an_export_is_frozen() -> None:
    """
    No field can be set; exports are equal by all their fields.
    """
    export = make_export()
    set_field: Callable[[str, object], None] = export.__setattr__

    assert len({export, make_export(), make_export(runs=())}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field("pruned_count", 0)


def test_to_dict_gives_plain_json() -> None:
    """
    Each part is given as it gives itself; both ways through a text change nothing.
    """
    export = make_export()
    given = export.to_dict()

    assert given == {
        "session": export.session.to_dict(),
        "runs": [make_run().to_dict()],
        "artifacts": [make_artifact(deleted_at=NOON).to_dict()],
        "items": [ITEM.to_dict()],
        "events": [event.to_dict() for event in export.events],
        "latest_sequence": 4,
        "pruned_count": 1,
    }
    assert SessionExport.from_dict(json.loads(json.dumps(given))) == export


@pytest.mark.parametrize("name", FIELDS)
def test_from_dict_makes_up_nothing(name: str) -> None:
    """
    Every field is required: an export that lacks one has lost something.
    """
    given = make_export().to_dict()
    del given[name]

    with pytest.raises(ValidationError, match=f"^{name}: this required field is miss"):
        SessionExport.from_dict(given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "'version': there is no field of this name"),
        ({"session": None}, "session: expected a JSON object, got a NoneType"),
        ({"session": {}}, "session: agent_id: this required field is missing"),
        ({"runs": {}}, "runs: expected a list, got a dict"),
        ({"runs": [7]}, "runs[0]: expected a JSON object, got an int"),
        (
            {"events": [make_event().to_dict() | {"data": {"a": {1: 1}}}]},
            "events[0]: data['a']: a key of type int is not a string",
        ),
        ({"artifacts": [7]}, "artifacts[0]: expected a JSON object, got an int"),
        ({"pruned_count": 2}, "pruned_count: 2 and 3 stored events do not add up to 4"),
    ],
    ids=range(8),
)
def test_from_dict_refuses_what_is_wrong(change: dict[str, Any], message: str) -> None:
    """
    The message leads to the culprit, however deep it lies.
    """
    with pytest.raises(ValidationError) as caught:
        SessionExport.from_dict(make_export().to_dict() | change)

    # Of what is not JSON it also says how to convert it.
    assert str(caught.value).partition("; convert it")[0] == message


def test_from_dict_refuses_what_is_no_object() -> None:
    """
    Anything but a JSON object is refused.
    """
    nothing: Any = None
    with pytest.raises(ValidationError, match=r"^expected a JSON object, got a None"):
        SessionExport.from_dict(nothing)
