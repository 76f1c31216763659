"""
What one execution of an agent leaves behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.json_values import JSONObject
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class ExecutionResult(Value):
    """
    A session, one of its runs and their events, to be stored all or nothing.

    Raises:
        ValidationError: If there is nothing to store, or its parts do not belong to one
            session.
    """

    session: Session | None = None
    """
    The session as the execution left it; None leaves the stored one as it is.
    """

    run: Run | None = None
    """
    The run as it ended; of that session. None if no run is to be stored.
    """

    events: tuple[Event, ...] = ()
    """
    What happened, oldest first; of that session.
    """

    provider_metadata: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    The provider's report: merged into the run's own when this value is made, so that a
    store gives it back there and nowhere else.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        session_id = self.session_id
        if self.run is not None and self.run.session_id != session_id:
            raise _foreign(self.run, "run", session_id)
        check_members(session_id, "events", self.events)
        if self.provider_metadata:
            if self.run is None:
                raise ValidationError("provider_metadata: needs a run")
            merged = {**self.run.provider_metadata, **self.provider_metadata}
            run = attrs.evolve(self.run, provider_metadata=merged)
            object.__setattr__(self, "run", run)

    @property
    def session_id(self) -> str:
        """
        The session that all of it belongs to.
        """
        if self.session is not None:
            return self.session.id
        for owned in (self.run, *self.events):
            if owned is not None:
                return owned.session_id
        raise ValidationError("session: expected a session, a run or an event")


def check_members(
    session_id: str,
    name: str,
    members: Sequence[Run] | Sequence[Event] | Sequence[Artifact],
) -> None:
    """
    Refuse members of which one does not belong to the session.

    Raises:
        ValidationError: Naming the first, as a member of *name*.
    """
    for index, owner in enumerate([member.session_id for member in members]):
        if owner != session_id:
            raise _foreign(members[index], f"{name}[{index}]", session_id)


def _foreign(
    member: Run | Event | Artifact, name: str, session_id: str
) -> ValidationError:
    return ValidationError(
        f"{name}: {member.id!r} belongs to session {member.session_id!r}, not to"
        f" {session_id!r}"
    )
