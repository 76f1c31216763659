"""
What one commit writes, and what it has written.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from asm_async.errors import ValidationError
from asm_async.values.event import Event
from asm_async.values.execution_result import check_members
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class Changes(Value):
    """
    Events, a session and runs of it, to be stored all or nothing.

    Raises:
        ValidationError: If there is nothing to store, or its parts do not belong to one
            session.
    """

    events: tuple[Event, ...] = ()
    """
    What happened, oldest first; without sequence numbers.
    """

    session: Session | None = None
    """
    The session as it shall be saved; None leaves the stored one as it is.
    """

    runs: tuple[Run, ...] = ()
    """
    The runs to be saved, each once.
    """

    create_session: Session | None = None
    """
    Saved if there is no session of its id; one that is there stays as it is. Not beside
    *session*.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.session is not None and self.create_session is not None:
            raise ValidationError(
                "create_session: session is saved whether it exists or not: pass one of"
                " them"
            )
        session_id = self.session_id
        check_members(session_id, "events", self.events)
        check_members(session_id, "runs", self.runs)
        seen: set[str] = set()
        for index, run in enumerate(self.runs):
            if run.id in seen:
                raise ValidationError(f"runs[{index}]: {run.id!r} comes twice")
            seen.add(run.id)

    @property
    def session_id(self) -> str:
        """
        The session that all of it belongs to.
        """
        session = self.session or self.create_session
        if session is not None:
            return session.id
        owned: Sequence[Run] | Sequence[Event] = self.runs or self.events
        if owned:
            return owned[0].session_id
        raise ValidationError("changes: there is neither a session, a run nor an event")


@attrs.frozen(kw_only=True)
class Committed:
    """
    What is stored of the changes of one commit: revisions and numbers filled in.
    """

    session: Session | None = None
    """
    The session, if the commit saved one: None for a *create_session* that was there.
    """

    runs: tuple[Run, ...] = ()
    """
    The runs, in the order in which they were given.
    """

    events: tuple[Event, ...] = ()
    """
    The events, in the order in which they were given.
    """
