"""
What a session holds in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

import attrs

from asm_async.errors import SessionNotFoundError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["SessionContents", "read_contents"]


@attrs.frozen(kw_only=True)
class SessionContents:
    """
    All that a database holds of one session.
    """

    session: Session | None = None
    """
    None if there is no such session.
    """

    runs: tuple[Run, ...] = ()
    events: tuple[Event, ...] = ()
    """
    In the order in which the store gives them.
    """

    latest: int = 0
    """
    The session's latest number; of one that is gone it is known only from its gate.
    """

    pruned: int | None = None
    """
    How many of its numbers have no event any more; None if that is not known.
    """


async def read_contents(
    store: SessionStore,
    session_ids: Iterable[str],
    *,
    gates: Mapping[str, Gate] | None = None,
) -> dict[str, SessionContents]:
    """
    Read sessions whole, after all who write have ended.

    Args:
        store: Where to read.

        session_ids: Which sessions.

        gates: Their counters, from a backend that can tell them; with them the
            contents of sessions that were pruned or deleted can be judged too.
    """
    return {id_: await _read(store, id_, gates) for id_ in session_ids}


async def _read(
    store: SessionStore, session_id: str, gates: Mapping[str, Gate] | None
) -> SessionContents:
    session = None
    with suppress(SessionNotFoundError):
        session = await store.get_session(session_id)
    gate = None
    if gates is not None:
        never_was = Gate(latest=0, stored=0, pruned=0, state="deleted")
        gate = gates.get(session_id, never_was)
    return SessionContents(
        session=session,
        runs=tuple(await store.list_runs(session_id)),
        events=tuple(await store.get_events(session_id)),
        latest=gate.latest if gate else await store.get_latest_sequence(session_id),
        pruned=gate.pruned if gate else None,
    )
