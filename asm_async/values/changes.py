"""
What one commit writes, and what it has written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from asm_async.errors import ValidationError
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.execution_result import check_members
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import ItemName, StateItem
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class Changes(Value):
    """
    Events, a session and runs of it, and state items, to be stored all or nothing.

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
    The session to save; None leaves the stored one as it is.
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

    items: tuple[StateItem, ...] = ()
    """
    The state items to be saved, of any scopes; a scope and key once.
    """

    removed_items: tuple[ItemName, ...] = ()
    """
    The scopes and keys of items to be deleted; one that is not there is no error.
    """

    artifacts: tuple[Artifact, ...] = ()
    """
    The artifacts of the session to be registered, whose contents have been put.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.session is not None and self.create_session is not None:
            raise ValidationError(
                "create_session: pass it or session, not both; session is saved whether"
                " it exists or not"
            )
        session_id = self.session_id
        if session_id is not None:
            check_members(session_id, "events", self.events)
            check_members(session_id, "runs", self.runs)
            check_members(session_id, "artifacts", self.artifacts)
        elif self.artifacts:
            raise ValidationError(
                "artifacts[0].session_id: a commit registers artifacts of a session;"
                " those of none are registered by ArtifactRegistry.register"
            )
        elif not self.items and not self.removed_items:
            raise ValidationError(
                "changes: expected a session, a run, an event or an item"
            )
        _check_unrepeated("runs", [run.id for run in self.runs])
        saved = [(item.scope, item.key) for item in self.items]
        _check_unrepeated("items", saved)
        _check_unrepeated("removed_items", self.removed_items, saved)

    @property
    def session_id(self) -> str | None:
        """
        The session that all but the items belongs to; None if there are only items.
        """
        session = self.session or self.create_session
        if session is not None:
            return session.id
        owned: Sequence[Run] | Sequence[Event] | Sequence[Artifact]
        owned = self.runs or self.events or self.artifacts
        return owned[0].session_id if owned else None


@attrs.frozen(kw_only=True)
class Committed:
    """
    The stored values of one commit: revisions and numbers filled in.
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

    items: tuple[StateItem, ...] = ()
    """
    The state items, in the order in which they were given.
    """

    artifacts: tuple[Artifact, ...] = ()
    """
    The artifacts, in the order in which they were given.
    """


def _check_unrepeated(
    name: str, members: Iterable[object], others: Iterable[object] = ()
) -> None:
    seen = set(others)
    for index, member in enumerate(members):
        if member in seen:
            raise ValidationError(f"{name}[{index}]: {member!r} is given twice")
        seen.add(member)
