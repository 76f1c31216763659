"""
The statements with which followers read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from asm_async.fronts.event_feed import FeedFilter, SessionFeedFilter
from asm_async.sql.core import rows
from asm_async.sql.core.column_types import undecoded
from asm_async.sql.core.tables import (
    GateState,
    events,
    session_sequences,
    sessions,
)
from asm_async.sql.dialects.feed import FeedDialect
from asm_async.values.checkpoint import START, Place, Witness
from asm_async.values.session import SessionStatus


def events_behind(
    wanted: SessionFeedFilter, *, is_decoded: bool
) -> sa.Select[*tuple[Any, ...]]:
    """
    Select *most* of a session's events behind *number*, which are parameters.

    The one that has the *witness_number* comes without the large columns.
    """
    number = sa.bindparam("number", type_=events.c.sequence_number.type)
    is_witness = events.c.sequence_number == _WITNESS_NUMBER
    query = sa.select(*_without_large(is_witness, is_decoded=is_decoded))
    query = query.where(
        events.c.session_id == wanted.session_id,
        events.c.sequence_number > number,
        # Of a session that is being removed in parts, events may be left.
        sa.exists().where(sessions.c.id == wanted.session_id),
    )
    if wanted.run_id is not None:
        query = query.where(events.c.run_id == wanted.run_id)
    if wanted.types is not None:
        query = query.where(events.c.type.in_(sorted(wanted.types)))
    query = query.where(*_are_owners(wanted))
    return query.order_by(events.c.sequence_number).limit(_most())


def feed_from(
    feed: FeedDialect, wanted: FeedFilter, *, is_decoded: bool
) -> sa.Select[*tuple[Any, ...]]:
    """
    Select the event at a place and the next ones of all sessions, wanted or not.

    Parameters are *most* and what the dialect makes of a place. Each row is an event,
    then its place, whether it is settled and, with filters, whether it is wanted. What
    is at the place, or not wanted, comes without the large columns; of the event at the
    place it is told whether it was written there, instead of whether it is settled.
    """
    is_settled = feed.is_below_horizon
    # SQLite would look at each row for nothing.
    if feed.is_as_written is not is_settled:
        is_settled = sa.case((feed.at, feed.is_as_written), else_=is_settled)
    extra: list[sa.ColumnElement[Any]] = [feed.transaction, feed.position, is_settled]
    needs_no_content = feed.at
    if wanted != FeedFilter():
        is_wanted = _is_wanted(wanted)
        needs_no_content = sa.or_(feed.at, sa.not_(is_wanted))
        extra.append(is_wanted)
    return (
        sa.select(*_without_large(needs_no_content, is_decoded=is_decoded))
        .add_columns(*extra)
        .where(feed.from_there)
        .order_by(*feed.order)
        .limit(_most())
    )


def _without_large(
    condition: sa.ColumnElement[bool], *, is_decoded: bool
) -> list[sa.ColumnElement[Any]]:
    """
    Return an event's columns, of which the large ones are null where *condition* holds.
    """
    large = (events.c.data.key, events.c.metadata.key)
    # What is not decoded has no key of its own.
    columns = list(events.c) if is_decoded else undecoded(events.c)
    return [
        sa.case((condition, sa.null()), else_=read) if column.key in large else read
        for column, read in zip(events.c, columns, strict=True)
    ]


def _id_where(condition: sa.ColumnElement[bool]) -> sa.ScalarSelect[str]:
    return sa.select(events.c.id).where(condition).correlate(None).scalar_subquery()


def witness_parameters(witness: Witness | None) -> dict[str, Any]:
    """
    Return the parameters of the witness, also where there is none.
    """
    session_id, number, _ = witness or ("", 0, 0)
    return {"witness_session": session_id, "witness_number": number}


_WITNESS_SESSION = sa.bindparam("witness_session", type_=events.c.session_id.type)
_WITNESS_NUMBER = sa.bindparam("witness_number", type_=events.c.sequence_number.type)


def _is_witness() -> sa.ColumnElement[bool]:
    return sa.and_(
        events.c.session_id == _WITNESS_SESSION,
        events.c.sequence_number == _WITNESS_NUMBER,
    )


def feed_standing(
    feed: FeedDialect, tenant_id: str | None
) -> sa.Select[*tuple[Any, ...]]:
    """
    Select all by which it is judged whether a place is one of this history.

    Parameters are the witness and its place. Of sessions of other tenants nothing is
    told.
    """
    end, gates = feed.end().subquery("log_end"), session_sequences
    is_gate = gates.c.session_id == _WITNESS_SESSION
    if tenant_id is not None:
        is_gate &= sa.exists().where(
            sessions.c.id == gates.c.session_id, sessions.c.tenant_id == tenant_id
        )
    is_event = sa.and_(_is_witness(), events.c.session_id == gates.c.session_id)
    return (
        sa.select(end, feed.may_lag.label("may_lag"), gates.c.last_sequence)
        .add_columns(
            events.c.id.label("witness_id"),
            feed.transaction.label("at_transaction"),
            feed.position.label("at_position"),
            feed.is_misplaced.label("is_misplaced"),
            _id_where(feed.at).label("id_at_place"),
        )
        .select_from(end.outerjoin(gates, is_gate).outerjoin(events, is_event))
    )


def session_standing(feed: FeedDialect, session_id: str) -> sa.Select[*tuple[Any, ...]]:
    """
    Select how a session stands, and which event has the number of the witness.
    """
    standing = standing_of(lambda column: column == session_id).subquery("standing")
    one = sa.select(
        feed.may_lag.label("may_lag"), _id_where(_is_witness()).label("witness_id")
    ).subquery("one")
    return sa.select(one, standing).select_from(one.outerjoin(standing, sa.true()))


def _most() -> sa.BindParameter[int]:
    return sa.bindparam("most", type_=sa.Integer())


def _is_wanted(wanted: FeedFilter) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if wanted.types is not None:
        conditions.append(events.c.type.in_(sorted(wanted.types)))
    if wanted.agent_id is not None:
        conditions.append(_is_of_session(sessions.c.agent_id, wanted.agent_id))
    return sa.and_(*conditions, *_are_owners(wanted))


def _are_owners(
    wanted: FeedFilter | SessionFeedFilter,
) -> list[sa.ColumnElement[bool]]:
    owners = (
        (sessions.c.tenant_id, wanted.tenant_id),
        (sessions.c.user_id, wanted.user_id),
    )
    return [_is_of_session(column, id_) for column, id_ in owners if id_ is not None]


def _is_of_session(column: sa.Column[Any], value: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(sessions.c.id == events.c.session_id, column == value)


def standing_of(
    is_followed: Callable[[sa.Column[str]], sa.ColumnElement[bool]],
) -> sa.Select[*tuple[Any, ...]]:
    """
    Select the latest number, its event, the counter's state and the status of sessions.
    """
    gates = session_sequences
    is_last = sa.and_(
        events.c.session_id == gates.c.session_id,
        events.c.sequence_number == gates.c.last_sequence,
    )
    return (
        sa.select(gates.c.session_id, gates.c.last_sequence)
        .add_columns(events.c.id.label("last_id"), gates.c.state, sessions.c.status)
        .select_from(
            gates.outerjoin(sessions, sessions.c.id == gates.c.session_id).outerjoin(
                events, is_last
            )
        )
        .where(is_followed(gates.c.session_id))
    )


def is_over(standing: Any) -> bool:
    """
    Return whether the session of which :func:`standing_of` tells is over.
    """
    if standing.session_id is None or standing.state == GateState.IMPORTING:
        return False
    if standing.state != GateState.LIVE or standing.status is None:
        return True
    with rows.reading(sessions):
        return SessionStatus(standing.status).is_over


def newest_place(feed: FeedDialect) -> sa.Select[*tuple[Any, ...]]:
    """
    Select the place of the last event, settled or not, and which it is.
    """
    backwards = [column.desc() for column in feed.order]
    return (
        sa.select(feed.transaction, feed.position)
        .add_columns(events.c.id, events.c.session_id, events.c.sequence_number)
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
