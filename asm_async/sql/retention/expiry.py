"""
How sessions that have grown too old are found and soft-deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import aclosing
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from asm_async.ports.maintenance_arguments import Cutoffs, sessions_a_batch
from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.sql.core.tables import session_tags, sessions
from asm_async.sql.dialects import Dialect
from asm_async.sql.retention.keyset_pages import pages
from asm_async.sql.retention.soft_delete import soft_delete
from asm_async.sql.retention.throttled_writer import ThrottledWriter
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import SessionStatus

__all__ = ["has_tag", "soft_delete_expired_sessions"]


async def soft_delete_expired_sessions(
    writes: ThrottledWriter, policy: RetentionPolicy, now: datetime
) -> Batches:
    """
    Soft-delete the sessions that are too old by *policy*, a page at a time.

    The two ages are looked for one after the other, each along an index of its own.
    """
    cutoffs = Cutoffs.of(policy, now)
    over = [status.value for status in SessionStatus if status.is_over]
    ages: list[tuple[sa.Column[datetime], sa.ColumnElement[bool]]] = []
    if cutoffs.created is not None:
        column = sessions.c.created_at
        ages.append((column, column < cutoffs.created))
    if cutoffs.completed is not None:
        column = sessions.c.updated_at
        is_over = sessions.c.status.in_(over)
        ages.append((column, (column < cutoffs.completed) & is_over))
    for column, is_too_old in ages:
        condition = is_too_old & _is_not_exempt(policy, writes.dialect)
        order = [column, sessions.c.id]
        query = sa.select(*order).where(sessions.c.deleted_at.is_(None), condition)
        found = pages(writes.transactions, query, order, sessions_a_batch(policy))
        async with aclosing(found):
            async for page in found:
                ids = [row.id for row in page]
                work = partial(
                    soft_delete, session_ids=ids, at=now, condition=condition
                )
                yield Batch(await writes.write(work))


def _is_not_exempt(policy: RetentionPolicy, dialect: Dialect) -> sa.ColumnElement[bool]:
    exempt = [status.value for status in policy.exempt_statuses]
    is_tagged = has_tag(sessions.c.id, policy.exempt_tags, dialect)
    return sessions.c.status.not_in(exempt) & ~is_tagged


def has_tag(
    session_id: sa.Column[str], tags: Collection[str], dialect: Dialect
) -> sa.ColumnElement[bool]:
    """
    Make the condition that a session has one of some tags, however many.
    """
    if not tags:
        return sa.false()
    return (
        sa.select(session_tags.c.tag)
        .where(
            session_tags.c.session_id == session_id,
            session_tags.c.tag.in_(dialect.members(tags)),
        )
        .exists()
    )
