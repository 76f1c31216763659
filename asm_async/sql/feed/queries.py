"""
The statements with which followers read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from asm_async.fronts.event_feed import FeedFilter, SessionFeedFilter
from asm_async.sql.core.tables import events, session_sequences, sessions
from asm_async.sql.dialects.feed import FeedDialect
from asm_async.values.checkpoint import START, Place


def events_behind(wanted: SessionFeedFilter) -> sa.Select[*tuple[Any, ...]]:
    """
    Select *most* of a session's events behind *number*, which are parameters.
    """
    number = sa.bindparam("number", type_=events.c.sequence_number.type)
    query = sa.select(events).where(
        events.c.session_id == wanted.session_id,
        events.c.sequence_number > number,
        # Of a session that is being removed in parts, events may be left.
        sa.exists().where(sessions.c.id == wanted.session_id),
    )
    if wanted.run_id is not None:
        query = query.where(events.c.run_id == wanted.run_id)
    if wanted.types is not None:
        query = query.where(events.c.type.in_(sorted(wanted.types)))
    if wanted.tenant_id is not None:
        query = query.where(_is_of_session(sessions.c.tenant_id, wanted.tenant_id))
    return query.order_by(events.c.sequence_number).limit(_most())


def feed_behind(feed: FeedDialect, wanted: FeedFilter) -> sa.Select[*tuple[Any, ...]]:
    """
    Select the next events of all sessions, settled or not, wanted or not.

    Parameters are *most* and what the dialect makes of a place. Each row is an event,
    then its place, whether it is settled and whether it is wanted; what is not wanted
    comes without the large columns.
    """
    is_wanted = _is_wanted(wanted)
    columns: list[sa.ColumnElement[Any]] = list(events.c)
    if wanted != FeedFilter():
        large = (events.c.data, events.c.metadata)
        columns = [
            sa.case((is_wanted, column), else_=sa.null()) if column in large else column
            for column in columns
        ]
    return (
        sa.select(*columns)
        .add_columns(feed.transaction, feed.position, feed.is_below_horizon, is_wanted)
        .where(feed.behind)
        .order_by(*feed.order)
        .limit(_most())
    )


def _most() -> sa.BindParameter[int]:
    return sa.bindparam("most", type_=sa.Integer())


def _is_wanted(wanted: FeedFilter) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if wanted.types is not None:
        conditions.append(events.c.type.in_(sorted(wanted.types)))
    if wanted.agent_id is not None:
        conditions.append(_is_of_session(sessions.c.agent_id, wanted.agent_id))
    if wanted.tenant_id is not None:
        conditions.append(_is_of_session(sessions.c.tenant_id, wanted.tenant_id))
    return sa.and_(*conditions)


def _is_of_session(column: sa.Column[Any], value: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(sessions.c.id == events.c.session_id, column == value)


def standing_of(
    is_followed: Callable[[sa.Column[str]], sa.ColumnElement[bool]],
) -> sa.Select[*tuple[Any, ...]]:
    """
    Select the latest number, the counter's state and the status of some sessions.
    """
    gates = session_sequences
    return (
        sa.select(gates.c.session_id, gates.c.last_sequence, gates.c.state)
        .add_columns(sessions.c.status)
        .select_from(gates.outerjoin(sessions, sessions.c.id == gates.c.session_id))
        .where(is_followed(gates.c.session_id))
    )


def newest_place(feed: FeedDialect) -> sa.Select[*tuple[Any, ...]]:
    """
    Select the place of the last event, settled or not.
    """
    backwards = [column.desc() for column in feed.order]
    return (
        sa.select(feed.transaction, feed.position)
        .select_from(events)
        .order_by(*backwards)
        .limit(1)
    )


def latest_place(feed: FeedDialect) -> sa.Select[*tuple[Any, ...]]:
    """
    Select the place of the last event that a follower can be given.
    """
    return newest_place(feed).where(feed.is_below_horizon)


def pending_counts(feed: FeedDialect, place: Place) -> sa.Select[*tuple[Any, ...]]:
    """
    Count the events behind *place*, a parameter, and those that are not settled.
    """
    is_held = sa.case((feed.is_below_horizon, 0), else_=1)
    query = sa.select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(is_held), 0)
    ).select_from(events)
    return query if place == START else query.where(feed.behind)
