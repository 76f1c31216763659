"""
What must be true of what is saved and flushed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from asm_async.testing.history.calls import Outcome
from asm_async.testing.history.evidence import Evidence, Save, named_sessions
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = [
    "flushes_are_whole",
    "revisions_have_one_winner",
    "saved_values_are_there",
]


def revisions_have_one_winner(evidence: Evidence) -> Iterator[str]:
    """
    Demand that a revision is given to one save, and is the one that was expected.
    """
    for subject, saves in evidence.saves.items():
        winners: dict[int, Save] = {}
        for save in saves:
            if save.stored is None or save.may_be_a_repeat:
                continue
            revision, expected = save.stored.revision, save.expected_revision
            if not _is_same(save.stored, save.value):
                yield f"{subject} came back from {save.call} with other content"
            # What comes back after a deletion goes on from revisions nobody expects.
            is_back = expected == 0 and bool(evidence.deletions)
            if expected is not None and revision != expected + 1 and not is_back:
                yield f"{save.call} expected revision {expected} and gave {revision}"
            winner = winners.setdefault(revision, save)
            if winner is not save:
                yield f"{winner.call} and {save.call} both gave revision {revision}"


def saved_values_are_there(evidence: Evidence) -> Iterator[str]:
    """
    Demand that what was saved is there, and nothing else.
    """
    for subject, saves in evidence.saves.items():
        held = _held(evidence, saves[0])
        possible = [save for save in saves if save.call.outcome is not Outcome.FAILED]
        if held is not None:
            yield from _wrong_content(subject, held, saves, possible)
        if _may_be_removed(evidence, saves[0].session_id):
            continue
        for save in possible:
            if save.stored is None:
                continue
            revision = save.stored.revision
            fact = f"{subject} was given revision {revision} by {save.call}"
            if held is None:
                yield f"{fact}, and is absent"
            elif held.revision < revision:
                yield f"{fact}, and is at revision {held.revision}"
            elif held.revision == revision and not _is_same(held, save.stored):
                yield f"{fact}, and has other content"
        if held is not None and held.revision > len(possible):
            yield (
                f"{subject} is at revision {held.revision}, and was saved"
                f" {len(possible)} times at most"
            )


def flushes_are_whole(evidence: Evidence) -> Iterator[str]:
    """
    Demand that all that a commit or a flush brings is there together, or nothing.
    """
    own = _own_saves(evidence)
    for append in evidence.appends:
        call = append.call
        if call.operation not in {"flush", "commit"}:
            continue
        if any(map(evidence.has_lost_some, named_sessions([call]))):
            continue
        traces = {
            save.subject: _held(evidence, save) is not None
            for save in own.get(call.key, [])
        }
        for attempt in append.attempts:
            if evidence.is_own(attempt):
                number = evidence.number_of(attempt)
                traces[f"event {attempt.event.id!r}"] = number is not None
        there = [name for name, is_there in traces.items() if is_there]
        missing = [name for name, is_there in traces.items() if not is_there]
        if there and missing:
            yield f"{call} was stored in part: {there[0]} is there, {missing[0]} is not"


def _own_saves(evidence: Evidence) -> dict[tuple[str, int], list[Save]]:
    """
    Give, by call, the saves of what no other call can have saved.
    """
    own: dict[tuple[str, int], list[Save]] = {}
    for saves in evidence.saves.values():
        possible = [save for save in saves if save.call.outcome is not Outcome.FAILED]
        for save in saves:
            if all(other is save for other in possible):
                own.setdefault(save.call.key, []).append(save)
    return own


def _wrong_content(
    subject: str,
    held: Session | Run,
    saves: Sequence[Save],
    possible: Sequence[Save],
) -> Iterator[str]:
    if not possible:
        yield f"{subject} is stored, and {saves[0].call} failed"
    elif not any(_is_same(held, save.value) for save in possible):
        yield f"{subject} is stored with content that nobody saved"


def _may_be_removed(evidence: Evidence, session_id: str) -> bool:
    held = evidence.held(session_id)
    is_gone = held.session is None and bool(held.pruned)
    return is_gone or bool(evidence.deletions.get(session_id))


def _held(evidence: Evidence, save: Save) -> Session | Run | None:
    held = evidence.held(save.session_id)
    if isinstance(save.value, Session):
        return held.session
    return next((run for run in held.runs if run.id == save.value.id), None)


def _is_same(one: Session | Run, other: Session | Run) -> bool:
    """
    Return whether both have the content of one save; only maintenance marks deletion.
    """
    return _as_saved(one) == _as_saved(other)


def _as_saved(value: Session | Run) -> Session | Run:
    if isinstance(value, Session):
        return attrs.evolve(value, revision=0, deleted_at=None)
    return attrs.evolve(value, revision=0)
