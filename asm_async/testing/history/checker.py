"""
The verdict on histories: what is wrong first, in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate
from asm_async.testing.history import (
    append_rules,
    event_rules,
    order_rules,
    read_rules,
    save_rules,
)
from asm_async.testing.history.calls import Call
from asm_async.testing.history.contents import SessionContents, read_contents
from asm_async.testing.history.evidence import Evidence, named_sessions
from asm_async.testing.history.files import read_history

__all__ = ["HistoryError", "check_histories", "check_history", "find_violations"]

Rule: TypeAlias = Callable[[Evidence], Iterator[str]]

_RULES: tuple[Rule, ...] = (
    append_rules.expected_sequences_have_one_winner,
    append_rules.refused_sequences_were_taken,
    event_rules.numbers_are_given_once,
    event_rules.each_event_stands_once,
    event_rules.acknowledged_events_are_there,
    event_rules.only_what_was_appended_is_there,
    event_rules.deleted_events_are_gone,
    save_rules.flushes_are_whole,
    append_rules.batches_are_whole,
    append_rules.batches_are_contiguous,
    order_rules.numbers_follow_time,
    event_rules.numbers_are_dense,
    save_rules.revisions_have_one_winner,
    order_rules.revisions_follow_time,
    save_rules.saved_values_are_there,
    read_rules.reads_saw_what_was_appended,
    read_rules.reads_saw_what_was_acknowledged,
    read_rules.followers_were_given_everything,
)


class HistoryError(AssertionError):
    """
    A store has broken a promise; the message says which, when and to whom.
    """


async def check_histories(
    paths: Iterable[Path],
    store: SessionStore,
    *,
    gates: Mapping[str, Gate] | None = None,
) -> None:
    """
    Judge the histories of all who wrote, by what the database holds in the end.

    Nobody may write any more. All who have written to the sessions must have written a
    history: an event that nobody is known to have appended is a violation, and so is a
    revision more than there were saves. A session or run that no history saves may have
    been saved by anybody.

    Args:
        paths: The files of the histories.

        store: Where to read the sessions that the histories name.

        gates: The counters of all sessions, if the backend can tell them. Without them
            a number may be missing only in a session that the histories delete.

    Raises:
        HistoryError: For the first violation.
    """
    calls = [call for path in paths for call in read_history(path)]
    contents = await read_contents(store, named_sessions(calls), gates=gates)
    check_history(calls, contents)


def check_history(
    calls: Iterable[Call], contents: Mapping[str, SessionContents]
) -> None:
    """
    Judge calls by what the sessions they name hold in the end.

    Raises:
        HistoryError: For the first violation.
    """
    for violation in find_violations(calls, contents):
        raise HistoryError(violation)


def find_violations(
    calls: Iterable[Call], contents: Mapping[str, SessionContents]
) -> Iterator[str]:
    """
    Return a sentence for each violation; one fault is often seen from several sides.
    """
    evidence = Evidence(calls, contents)
    return chain.from_iterable(rule(evidence) for rule in _RULES)
