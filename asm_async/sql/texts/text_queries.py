"""
The statements with which texts are searched, page by page.

A page is found in one of several ways. The usual one asks the index of words, and sorts
what it finds. What is found in very many texts is, in the order of time, looked for
from the latest backwards, until the page is full; by relevance, the latest are ranked,
and the others follow by time. And of a session, or of an owner of few events, all texts
are compared where the words are common.

What an index of words cannot decide is compared with the rows themselves.
"""

from __future__ import annotations

from operator import eq, ge, lt
from typing import Any, Final

import sqlalchemy as sa

from asm_async.fronts.paging import Paging
from asm_async.fronts.text_filters import RANKS_PER_UNIT, TextFilter
from asm_async.sql.core.tables import events, sessions
from asm_async.sql.core.text_tables import text_rows
from asm_async.sql.dialects import Dialect
from asm_async.sql.search.search_queries import Conditions, given, is_one_of, page_of
from asm_async.values.text_query import TextQuery

MAX_SORTED: Final = 3_000
"""
So many texts are rather sorted than that others are looked at.
"""

# BM25's usual constants (Robertson and Zaragoza, 2009), for texts of a hundred terms.
_SATURATION: Final = 1.2
_BY_LENGTH: Final = 0.75
_USUAL_LENGTH: Final = 100.0


def page_of_texts(
    query: TextQuery,
    paging: Paging,
    dialect: Dialect,
    conditions: Conditions,
    *,
    in_order: bool,
) -> sa.Select[Any]:
    """
    Select a page of the rows that meet *conditions*, by what gives them their places.

    With the same rank for the same text whatever else is indexed, a page goes on where
    the one before ended. Rows that are not gone through *in_order* are found first and
    then sorted: the offset keeps the databases from another way, and has each rank
    computed once.
    """
    c = text_rows.c
    columns: list[sa.ColumnElement[Any]] = [
        c.timestamp,
        c.session_id,
        c.sequence_number,
    ]
    if in_order:
        return page_of(sa.select(*columns).where(*conditions), text_rows, paging)
    if "rank" in paging.order.key:
        columns.append(_rank(query, dialect).label("rank"))
    found = sa.select(*columns).where(*conditions).offset(0).subquery()
    return page_of(sa.select(found), found, paging)


def has_phrases(query: TextQuery, dialect: Dialect, *, is_narrowed: bool) -> Conditions:
    """
    Make the conditions that decide whether a row is found by a query.

    Of rows that the index of words has found (*is_narrowed*), only what that does not
    know is compared: which terms stand in a row, and parts of terms.
    """
    has_phrase = dialect.text_index.has_phrase
    wanted = [each for each in query.wanted if not (is_narrowed and each.is_one_term)]
    unwanted = [sa.not_(has_phrase(phrase)) for phrase in query.unwanted]
    return [*map(has_phrase, wanted), *unwanted]


def is_wanted(wanted: TextFilter, dialect: Dialect, *, in_order: bool) -> Conditions:
    """
    Make the conditions of the filters; times are found by an index if *in_order*.

    The session is looked up by its key for each row: a join would let the planners
    begin with all sessions, of which they seldom know how many have what is wanted.
    """
    c = text_rows.c
    timestamp = c.timestamp if in_order else dialect.without_index(c.timestamp)
    session = sa.select(sa.and_(sessions.c.deleted_at.is_(None), *_owners(wanted)))
    session = session.where(sessions.c.id == c.session_id)
    return [
        *given(ge, timestamp, wanted.since),
        *given(lt, timestamp, wanted.until),
        *given(eq, c.session_id, wanted.session_id),
        *is_one_of(c.type, wanted.types, dialect),
        *is_one_of(c.role, wanted.roles, dialect),
        session.scalar_subquery(),
    ]


def sessions_wanted(wanted: TextFilter) -> sa.Select[str] | None:
    """
    Select the sessions whose texts are wanted; None if that may be all.
    """
    conditions = [
        *given(eq, sessions.c.id, wanted.session_id),
        *_owners(wanted),
    ]
    return sa.select(sessions.c.id).where(*conditions) if conditions else None


def number_of_events(of_sessions: sa.Select[str], most: int) -> sa.Select[int]:
    """
    Count the events of some sessions, up to *most*.
    """
    are_theirs = events.c.session_id.in_(of_sessions)
    some = sa.select(events.c.sequence_number).where(are_theirs).limit(most)
    return sa.select(sa.func.count()).select_from(some.subquery())


def _owners(wanted: TextFilter) -> Conditions:
    return [
        *given(eq, sessions.c.agent_id, wanted.agent_id),
        *given(eq, sessions.c.tenant_id, wanted.tenant_id),
        *given(eq, sessions.c.user_id, wanted.user_id),
    ]


def _rank(query: TextQuery, dialect: Dialect) -> sa.ColumnElement[int]:
    """
    Rank a text by how often it has what is wanted, and the shorter the better.

    It is the rank that :class:`~asm_async.memory.InMemoryTextIndex` gives: n / (n + b)
    for each phrase, which is written here so that n need be counted only once.
    """
    bytes_of, words = dialect.text_index.byte_length, text_rows.c.words
    length = text_rows.c.term_count / sa.literal_column(str(_USUAL_LENGTH), sa.Float)
    burden = _SATURATION * (1 - _BY_LENGTH + _BY_LENGTH * length)
    scores: list[sa.ColumnElement[Any]] = []
    for phrase in query.wanted:
        without = sa.func.replace(words, phrase.pattern, "")
        size = sa.literal_column(str(float(len(phrase.pattern.encode()))), sa.Float)
        number = (bytes_of(words) - bytes_of(without)) / size
        scores.append(1.0 - burden / (number + burden))
    score = sum(scores[1:], scores[0]) / float(len(scores))
    whole = sa.func.round(score * RANKS_PER_UNIT)
    return sa.cast(whole, sa.BigInteger)
