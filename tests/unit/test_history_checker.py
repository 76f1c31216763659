from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from asm_async import SessionStatus
from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.testing.history import (
    Call,
    HistoryError,
    Outcome,
    check_history,
    find_violations,
)
from tests.unit.recorded_history import Case, flushed, make_case


@pytest.fixture
async def case(tmp_path: Path) -> Case:
    """
    Return a history without a violation.
    """
    return await make_case(tmp_path)


def first_violation(case: Case) -> str | None:
    """
    Return the first thing that is wrong.
    """
    return next(find_violations(case.calls, case.contents), None)


def test_a_history_of_kept_promises_is_accepted(case: Case) -> None:
    """
    Nothing is found where nothing is wrong.
    """
    check_history(case.calls, case.contents)


def test_an_error_names_the_first_violation(case: Case) -> None:
    """
    A history with a violation is refused, in words.
    """
    case.drop("evt_1")

    with pytest.raises(HistoryError, match="event 'evt_1' of session 'ses_1' was ack"):
        check_history(case.calls, case.contents)


def plain(id_: str, number: int, **fields: Any) -> dict[str, Any]:
    """
    Return an event of ``ses_1`` as a call returns it.
    """
    return make_event(id=id_, sequence_number=number, **fields).to_dict()


def win_twice(case: Case) -> None:
    """
    Give number 3 as expected to the second caller who expected it, too.
    """
    case.renumber(evt_8=6)
    case.hold(latest=6)
    case.call(4, operation="append_event_with_sequence")
    case.succeed(4, plain("evt_5", 5))


def win_one_number_twice(case: Case) -> None:
    """
    Give both who expected number 3 the number 4.
    """
    case.call(4, operation="append_event_with_sequence")
    case.succeed(4, plain("evt_5", 4))


def refuse(case: Case, actual: int) -> None:
    """
    Tell who expected number 3 that another is the latest.
    """
    case.call(4, error={"type": "SequenceConflictError", "args": ["ses_1", 3, actual]})


def save_twice(case: Case) -> None:
    """
    Give revision 2 to both who expected revision 1.
    """
    case.succeed(6, make_session(status=SessionStatus.FAILED, revision=2).to_dict())


def save_unexpectedly(case: Case) -> None:
    """
    Give revision 3 to who expected revision 1.
    """
    failed = make_session(status=SessionStatus.FAILED, revision=3)
    case.succeed(6, failed.to_dict())
    case.save(failed)


def save_backwards(case: Case) -> None:
    """
    Give the later save the smaller revision.
    """
    case.call(5, arguments={"session": case.calls[5].arguments["session"]})
    case.call(0, result={**case.calls[0].result, "revision": 3})
    case.save(make_session(status=SessionStatus.ACTIVE, revision=3))


def append_in_part(case: Case) -> None:
    """
    Lose the second event of two whose writer was killed.
    """
    case.forget(2)
    case.drop("evt_3")


def flush_events_alone(case: Case) -> None:
    """
    Store the events of a flush, and neither its session nor its run.
    """
    one, two = flushed(2).events
    events = attrs.evolve(one, sequence_number=1), attrs.evolve(two, sequence_number=2)
    case.hold("ses_flush_2", events=events, latest=2)


def delete_halfway(case: Case) -> None:
    """
    Delete the session at the end of the history, and leave its events.
    """
    case.calls.append(
        Call(
            process="b",
            number=1,
            operation="delete_session",
            arguments={"session_id": "ses_1"},
            start=1000,
            end=1001,
            outcome=Outcome.OK,
        )
    )


def prune(case: Case, pruned: int) -> None:
    """
    Lose an event, and count so many as pruned.
    """
    case.drop("evt_1")
    case.hold(pruned=pruned)


def see(case: Case, index: int, *events: dict[str, Any]) -> None:
    """
    Let a read give these events.
    """
    case.call(index, result=list(events))


def follow(case: Case, *places: int) -> None:
    """
    Let the follower have been given what it was given at these places.
    """
    case.call(12, given=tuple(case.calls[12].given[place] for place in places))


def change_given(case: Case, **fields: Any) -> None:
    """
    Let the follower have been given another last event.
    """
    *given, last = case.calls[12].given
    case.call(12, given=(*given, {**last, **fields}))


PLANTED: dict[str, tuple[Callable[[Case], object], str]] = {
    "a hole": (
        lambda case: case.drop("evt_8"),
        "session 'ses_1': number 5 is missing",
    ),
    "an order that is none": (
        lambda case: case.hold(events=case.contents["ses_1"].events[::-1]),
        "session 'ses_1': number 4 stands behind 5",
    ),
    "a number past the latest": (
        lambda case: case.hold(latest=4),
        "there is a number 5, and 4 is said to be the latest",
    ),
    "an acknowledged event that is absent": (
        lambda case: case.drop("evt_1"),
        (
            "was acknowledged as number 1 by append_event_with_sequence (call 2 of a),"
            " and is absent"
        ),
    ),
    "an acknowledged event in another place": (
        lambda case: case.change("evt_1", id="evt_8"),
        "event 'evt_8' of session 'ses_1' is stored twice, as number 1 and as number 5",
    ),
    "an acknowledged number that is another event's": (
        lambda case: case.change("evt_1", id="evt_9"),
        (
            "was acknowledged as number 1 by append_event_with_sequence (call 2 of a),"
            " and that number is event 'evt_9'"
        ),
    ),
    "an acknowledged event with other content": (
        lambda case: case.change("evt_1", data={"content": "bye"}),
        "is stored with other content than append_event_with_sequence (call 2 of a)",
    ),
    "an acknowledgement with other content": (
        lambda case: case.call(1, result=plain("evt_1", 1, data={})),
        "came back from append_event_with_sequence (call 2 of a) with other content",
    ),
    "an event that is stored twice": (
        lambda case: case.add("evt_2"),
        "event 'evt_2' of session 'ses_1' is stored twice, as number 2 and as number 6",
    ),
    "a number that is given twice": (
        lambda case: case.call(1, result=plain("evt_1", 2)),
        "number 2 of session 'ses_1' was given to event 'evt_1' by",
    ),
    "an event of a failed call": (
        lambda case: case.add("evt_5"),
        (
            "event 'evt_5' of session 'ses_1' is stored, and append_event (call 5 of a)"
            " failed"
        ),
    ),
    "an event of nobody": (
        lambda case: case.add("evt_6"),
        "event 'evt_6' of session 'ses_1' is stored, and nobody appended it",
    ),
    "an unknown event that is stored twice": (
        lambda case: case.add("evt_8"),
        "event 'evt_8' of session 'ses_1' is stored twice",
    ),
    "an unknown event with other content": (
        lambda case: case.change("evt_8", data={}),
        "is stored with other content than append_event (call 9 of a) appended",
    ),
    "a batch that is torn apart": (
        lambda case: case.renumber(evt_1=2, evt_2=1),
        "gave its events the numbers [1, 3]: they are torn apart by number 2",
    ),
    "a batch in another order": (
        lambda case: case.call(
            2,
            arguments={"events": case.calls[2].arguments["events"][::-1]},
            result=case.calls[2].result[::-1],
        ),
        "gave its events the numbers [3, 2]: not in their order",
    ),
    "a batch that is stored in part": (
        append_in_part,
        "was stored in part: event 'evt_2' is there, event 'evt_3' is not",
    ),
    "an order that is not that of time": (
        lambda case: case.renumber(evt_1=3, evt_2=1, evt_3=2),
        (
            "append_events (call 3 of a) began to append event 'evt_2' after"
            " append_event_with_sequence (call 2 of a) had appended event 'evt_1', and"
            " they are numbers 1 and 3"
        ),
    ),
    "two winners of one expected number": (
        win_twice,
        (
            "append_event_with_sequence (call 5 of a) expected number 3 of session"
            " 'ses_1', and its event 'evt_5' was given 5; append_events (call 4 of a),"
            " which expected the same, won it"
        ),
    ),
    "two winners of one number": (win_one_number_twice, "which expected the same, won"),
    "a refusal of what was expected": (
        lambda case: refuse(case, 3),
        "append_event (call 5 of a) was refused number 3, which it expected",
    ),
    "a refusal for a number that never was": (
        lambda case: refuse(case, 9),
        "was told that session 'ses_1' is at 9, and it never came further than 5",
    ),
    "two winners of one expected revision": (
        save_twice,
        "save_session (call 6 of a) and save_session (call 7 of a) both gave revision",
    ),
    "a revision that was not expected": (
        save_unexpectedly,
        "save_session (call 7 of a) expected revision 1 and gave 3",
    ),
    "a revision that goes back": (
        save_backwards,
        (
            "session 'ses_1': save_session (call 6 of a) began after save_session (call"
            " 1 of a) had ended, and gave revisions 2 and 3"
        ),
    ),
    "a session that is absent": (
        lambda case: case.save(None),
        (
            "session 'ses_1' was given revision 1 by save_session (call 1 of a), and is"
            " absent"
        ),
    ),
    "a revision that is lost": (
        lambda case: case.save(make_session(revision=1)),
        "was given revision 2 by save_session (call 6 of a), and is at revision 1",
    ),
    "a revision with the content of another": (
        lambda case: case.save(make_session(revision=2)),
        "was given revision 2 by save_session (call 6 of a), and has other content",
    ),
    "a session that a failed call saved": (
        lambda case: case.save(make_session(status=SessionStatus.FAILED, revision=2)),
        "session 'ses_1' is stored with content that nobody saved",
    ),
    "more revisions than saves": (
        lambda case: case.save(make_session(status=SessionStatus.ACTIVE, revision=9)),
        "session 'ses_1' is at revision 9, and was saved 2 times at most",
    ),
    "a flush without its run": (
        lambda case: case.hold("ses_flush_1", runs=()),
        (
            "flush (call 8 of a) was stored in part: session 'ses_flush_1' is there,"
            " run 'run_1' is not"
        ),
    ),
    "an unknown flush of events alone": (
        flush_events_alone,
        (
            "flush (call 10 of a) was stored in part: event 'evt_1' is there, session"
            " 'ses_flush_2' is not"
        ),
    ),
    "an unknown flush of a run alone": (
        lambda case: case.hold(
            "ses_flush_2",
            runs=(make_run(id="run_2", session_id="ses_flush_2", revision=1),),
        ),
        "flush (call 10 of a) was stored in part: run 'run_2' is there, session",
    ),
    "an event that outlives its session": (
        delete_halfway,
        "is there, though the session was deleted after append_event_with_sequence",
    ),
    "a lost event that is not counted as pruned": (
        lambda case: prune(case, 0),
        (
            "was acknowledged as number 1 by append_event_with_sequence (call 2 of a),"
            " and is absent"
        ),
    ),
    "more pruned events than are missing": (
        lambda case: prune(case, 2),
        "of 5 numbers 1 are missing, number 1 the first, and 2 were pruned",
    ),
    "a read in no order": (
        lambda case: see(case, 10, *case.calls[10].result[::-1]),
        "get_events (call 11 of a) saw number 4 of session 'ses_1' behind number 5",
    ),
    "a read of what was never stored": (
        lambda case: see(case, 10, *case.calls[10].result, plain("evt_5", 6)),
        "saw event 'evt_5' as number 6 of session 'ses_1', which is not there",
    ),
    "a read of another event": (
        lambda case: see(case, 10, *case.calls[10].result[:-1], plain("evt_5", 5)),
        "saw event 'evt_5' as number 5 of session 'ses_1', which is 'evt_8'",
    ),
    "a read that is stale": (
        lambda case: see(case, 10, *case.calls[10].result[1:]),
        (
            "get_events (call 11 of a) did not see event 'evt_2' of session 'ses_1',"
            " number 2, which had been acknowledged"
        ),
    ),
    "a latest number that is stale": (
        lambda case: case.call(11, result=3),
        "get_latest_sequence (call 12 of a) did not see event 'evt_4'",
    ),
    "a follower that left one out": (
        lambda case: follow(case, 0, 2, 3),
        "follow_session (call 13 of a) was not given event 'evt_2', number 2",
    ),
    "a follower that was given one twice": (
        lambda case: follow(case, 0, 1, 1),
        "follow_session (call 13 of a) saw number 2 of session 'ses_1' behind number 2",
    ),
    "a follower that was given other content": (
        lambda case: change_given(case, data={}),
        "follow_session (call 13 of a) saw event 'evt_8' with other content",
    ),
    "a follower that was given what is not there": (
        lambda case: change_given(case, id="evt_9", sequence_number=6),
        "saw event 'evt_9' as number 6 of session 'ses_1', which is not there",
    ),
}


@pytest.mark.parametrize(("plant", "words"), PLANTED.values(), ids=PLANTED)
def test_a_planted_violation_is_found(
    case: Case, plant: Callable[[Case], object], words: str
) -> None:
    """
    Each kind of violation is found, and named first.
    """
    plant(case)

    assert words in (first_violation(case) or "")


def test_events_may_be_missing_where_some_were_pruned(case: Case) -> None:
    """
    A gap is no violation if the counter has counted it.
    """
    prune(case, 1)

    assert first_violation(case) is None


def test_events_may_be_missing_where_the_session_was_deleted(case: Case) -> None:
    """
    What was acknowledged before a deletion may be gone.
    """
    delete_halfway(case)
    case.hold(session=None, events=(), latest=0)

    assert first_violation(case) is None
