"""
An agent's session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, cast

import attrs

from asm_async.errors import InvalidTransitionError
from asm_async.values import fields
from asm_async.values.fields import Count, Tags, Text, UTCTime
from asm_async.values.ids import new_session_id
from asm_async.values.json_values import JSONObject
from asm_async.values.stored_value import StoredValue


class SessionStatus(StrEnum):
    """
    The status of a session.

    A session goes pending -> active, and back and forth between active and paused. From
    each of these it may end; what has ended stays as it is.
    """

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """
        Whether no other status can follow.
        """
        return self in {self.COMPLETED, self.FAILED, self.CANCELLED}

    def can_become(self, status: SessionStatus) -> bool:
        """
        Return whether *status* may follow; every status may follow itself.
        """
        if status is self:
            return True
        if self.is_over or status is SessionStatus.PENDING:
            return False
        if status is SessionStatus.PAUSED:
            return self is SessionStatus.ACTIVE
        return True


@attrs.frozen(kw_only=True, weakref_slot=False)
class Session(StoredValue):
    """
    An agent's session: the owner of a log of events and of the runs that wrote it.

    Text fields hold 1 to 255 characters; times are aware and given in UTC; *metadata*
    and *context* are JSON objects, copied when the value is made.
    """

    id: Text
    """
    The session's name, unique in its store.
    """

    tenant_id: Text | None = None
    """
    The customer on whose behalf the agent works; a filter of lists and searches.
    """

    user_id: Text | None = None
    """
    The person the agent works for; a filter as *tenant_id* is one, independent of it.

    A save may change either.
    """

    agent_id: Text
    """
    The kind of agent, or its configuration.
    """

    status: SessionStatus
    """
    The status.
    """

    parent_session_id: Text | None = None
    """
    The session that started this one; it need not exist.
    """

    metadata: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    Further data of the application about the session.
    """

    context: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    The agent's context: prompts, configuration.
    """

    tags: Tags = ()
    """
    Labels to search by, without duplicates.
    """

    created_at: UTCTime
    """
    When the session began.
    """

    updated_at: UTCTime
    """
    When this value was last changed, by the clock of the process that changed it.
    """

    deleted_at: UTCTime | None = None
    """
    When the session was soft-deleted; given by the store alone.
    """

    revision: Count = 0
    """
    How many times the session was saved; given by the store, 0 before the first time.
    """

    last_activity_at: UTCTime | None = attrs.field(default=None, eq=False)
    """
    When the session, one of its runs or an event was last written; given by the store.

    It moves without a save, so it is no part of what makes sessions equal.
    """

    _GIVEN_BY_STORE: ClassVar = ("revision", "last_activity_at")

    @classmethod
    def new(
        cls,
        *,
        agent_id: str,
        id: str | None = None,  # noqa: A002 - the field's name
        tenant_id: str | None = None,
        user_id: str | None = None,
        parent_session_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        created_at: datetime | None = None,
    ) -> Session:
        """
        Begin a session: pending, with a new id and the present time unless given.

        Raises:
            ValidationError: Naming the field that is wrong.
        """
        now = datetime.now(UTC) if created_at is None else created_at
        return cls(
            id=new_session_id() if id is None else id,
            agent_id=agent_id,
            status=SessionStatus.PENDING,
            created_at=now,
            updated_at=now,
            tenant_id=tenant_id,
            user_id=user_id,
            parent_session_id=parent_session_id,
            metadata=cast("JSONObject", {} if metadata is None else metadata),
            context=cast("JSONObject", {} if context is None else context),
            tags=cast("tuple[str, ...]", tags),
        )

    def update_status(
        self, status: SessionStatus, *, at: datetime | None = None
    ) -> Session:
        """
        Return this session in another status; the same status changes nothing.

        Args:
            status: The status to take.

            at: The time of the change, in any zone; now unless given.

        Raises:
            InvalidTransitionError: If :class:`SessionStatus` does not allow the change.
        """
        status = fields.choice(status, "status", SessionStatus)
        self.check_can_become(status)
        if status is self.status:
            return self
        now = datetime.now(UTC) if at is None else at
        return attrs.evolve(self, status=status, updated_at=now)

    def with_metadata(self, **changes: Any) -> Session:
        """
        Return this session with some keys of *metadata* set; the others stay.

        Raises:
            ValidationError: If a value is not JSON.
        """
        metadata = {**self.metadata, **changes}
        return attrs.evolve(self, metadata=metadata, updated_at=datetime.now(UTC))

    def with_tags(self, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Session:
        """
        Return this session with more tags, and without some.

        Those that are added come last; one that is there already stays where it is. To
        remove a tag that is not there changes nothing.

        Raises:
            ValidationError: If *add* or *remove* is not an iterable of tags.
        """
        added, removed = (
            fields.unique_texts(add, "add"),
            fields.unique_texts(remove, "remove"),
        )
        tags = tuple(tag for tag in (*self.tags, *added) if tag not in removed)
        return attrs.evolve(self, tags=tags, updated_at=datetime.now(UTC))

    def check_can_become(self, status: SessionStatus) -> None:
        """
        Refuse a *status* that may not follow this session's.

        Raises:
            InvalidTransitionError: If :class:`SessionStatus` does not allow the change.
        """
        if not self.status.can_become(status):
            raise InvalidTransitionError(
                f"session {self.id!r}", self.status.value, status.value
            )
