"""
The filters of the session store, each in its one normal form.

A filter raises ``ValidationError``, with the argument's name at the start of the
message, where no stored value could meet it by its form.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, TypeAlias

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import AnyEventType
from asm_async.values.fields import Count, Text, TotalAmount, UTCTime
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus
from asm_async.values.value import Value

_Ids: TypeAlias = Annotated[Collection[str], fields.unique_texts]


@attrs.frozen(kw_only=True)
class SessionFilter(Value):
    """
    Which sessions to list: what ``list_sessions`` takes.
    """

    status: SessionStatus | None = None
    agent_id: Text | None = None
    tenant_id: Text | None = None
    user_id: Text | None = None
    include_deleted: bool = False
    with_context: bool = True
    limit: Count | None = None
    offset: Count = 0


@attrs.frozen(kw_only=True)
class RunFilter(Value):
    """
    Which of a session's runs to list: what ``list_runs`` takes.
    """

    status: RunStatus | None = None
    limit: Count | None = None
    expected_tenant: Text | None = None


@attrs.frozen(kw_only=True)
class EventFilter(Value):
    """
    Which of a session's events to return: what ``get_events`` takes.

    Where *limit* or *last* is 0 there is nothing to wait for: *wait_timeout* is None.
    """

    run_id: Text | None = None
    type: AnyEventType | None = None
    correlation_id: Text | None = None
    visible_only: bool = False
    ids: _Ids | None = None
    since: UTCTime | None = None
    after: Count | None = None
    before: Count | None = None
    limit: Count | None = None
    last: Count | None = None
    wait_timeout: TotalAmount | None = None
    expected_tenant: Text | None = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.limit is not None and self.last is not None:
            raise ValidationError("limit: cannot be given together with last")
        if 0 in (self.limit, self.last):
            object.__setattr__(self, "wait_timeout", None)
