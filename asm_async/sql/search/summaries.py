"""
The statements that add up what runs consumed and cost, and a session's figures.

One statement is one moment. The groups are as many as there are different providers,
models and buckets, within each of what is grouped by. Those of providers and models
are made in the order of the index that holds all that is summed, so that no run is read
and SQLite, which groups by sorting, need not sort.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from operator import eq, ge, lt
from typing import Any

import sqlalchemy as sa

from asm_async.errors import SessionNotFoundError
from asm_async.fronts.query_filters import UsageFilter
from asm_async.ports.query_api import MAX_USAGE_GROUPS
from asm_async.sql.core import rows
from asm_async.sql.core.tables import events, runs, session_tags, sessions
from asm_async.sql.dialects import Dialect
from asm_async.sql.search.search_queries import belongs_to, given
from asm_async.values.run import RunStatus
from asm_async.values.summaries import SessionStats, TokenTotals
from asm_async.values.token_usage import TOKEN_COUNTS

# A bucket may be two rows: the first and the last time stand for themselves.
_MAX_ROWS = 2 * MAX_USAGE_GROUPS + 1


def _run_sums(dialect: Dialect) -> list[sa.Label[int]]:
    sums = [dialect.exact_sum(runs.c[name]).label(name) for name in TOKEN_COUNTS]
    is_untold = (runs.c.input_tokens == 0) & (runs.c.output_tokens == 0)
    untold = sa.func.sum(sa.case((is_untold, 1), else_=0), type_=sa.Integer())
    return [sa.func.count().label("run_count"), untold.label("untold_runs"), *sums]


def usage_sums(
    dialect: Dialect, wanted: UsageFilter
) -> sa.Select[*tuple[Any, ...]] | sa.CompoundSelect[*tuple[Any, ...]]:
    """
    Select runs by provider, model, bucket and what is grouped by, added up.

    No more rows are read than show that too much is told apart.
    """
    return _together(_sums(dialect, wanted)).limit(_MAX_ROWS)


def cost_sums(
    dialect: Dialect, wanted: UsageFilter
) -> sa.CompoundSelect[*tuple[Any, ...]]:
    """
    Select the same of the runs with a stored cost, and of those without.

    Twice through the index is faster than once with the difference as a further key.
    """
    cost = runs.c.cost_usd
    total = sa.func.sum(cost).label("cost_usd")
    parts = [
        sums.add_columns(total).where(condition)
        for sums in _sums(dialect, wanted)
        for condition in (cost.is_not(None), cost.is_(None))
    ]
    return sa.union_all(*parts).limit(2 * _MAX_ROWS)


def _sums(dialect: Dialect, wanted: UsageFilter) -> list[sa.Select[*tuple[Any, ...]]]:
    names = wanted.group_by
    if "tag" not in names:
        return [_sums_by(dialect, wanted, names, "all")]
    # A run of two tags would be twice in totals that are made of its groups.
    return [
        _sums_by(dialect, wanted, names, "groups"),
        _sums_by(dialect, wanted, (), "totals"),
    ]


def _sums_by(
    dialect: Dialect, wanted: UsageFilter, names: Collection[str], counts_for: str
) -> sa.Select[*tuple[Any, ...]]:
    c, owner = runs.c, sessions.alias("owner")
    told: dict[str, sa.ColumnElement[Any]] = {
        "agent": owner.c.agent_id,
        "tenant": owner.c.tenant_id,
        "user": owner.c.user_id,
        "session": c.session_id,
        "tag": session_tags.c.tag,
    }
    keys: list[sa.ColumnElement[Any]] = [c.provider, c.model]
    if wanted.bucket:
        time = dialect.time_within(wanted.bucket, c.started_at)
        keys.append(time.label("started_at"))
    keys += [column.label(name) for name, column in told.items() if name in names]
    # All that are united have the same columns.
    absent = [
        sa.null().label(name)
        for name in told
        if name in wanted.group_by and name not in names
    ]
    is_for = sa.literal_column(f"'{counts_for}'", sa.Text).label("counts_for")
    query = (
        sa.select(*keys, *absent, is_for, *_run_sums(dialect))
        .select_from(runs)
        .where(
            *given(eq, c.session_id, wanted.session_id),
            *belongs_to(c.session_id, sessions.c.agent_id, wanted.agent_id),
            *belongs_to(c.session_id, sessions.c.tenant_id, wanted.tenant_id),
            *belongs_to(c.session_id, sessions.c.user_id, wanted.user_id),
            *given(eq, c.provider, wanted.provider),
            *given(ge, c.started_at, wanted.since),
            *given(lt, c.started_at, wanted.until),
        )
        .group_by(*keys)
    )
    # Outer joins, so that what has no tag is counted as well.
    if not {"agent", "tenant", "user"}.isdisjoint(names):
        query = query.outerjoin(owner, owner.c.id == c.session_id)
    if "tag" in names:
        is_theirs = session_tags.c.session_id == c.session_id
        query = query.outerjoin(session_tags, is_theirs)
    return query


def _together(
    parts: Sequence[sa.Select[*tuple[Any, ...]]],
) -> sa.Select[*tuple[Any, ...]] | sa.CompoundSelect[*tuple[Any, ...]]:
    return parts[0] if len(parts) == 1 else sa.union_all(*parts)


def session_figures(
    dialect: Dialect, session_id: str, tenant: str | None
) -> sa.Select[*tuple[Any, ...]]:
    """
    Select a row for each provider and status of a session's runs, or one without any.

    The figures of its events stand in each. There is no row, and nothing is counted,
    if the session is not of the *tenant* that is expected.
    """
    is_it = sessions.c.id == session_id
    if tenant is not None:
        is_it &= sessions.c.tenant_id == tenant
    is_there = sa.exists().where(is_it)
    of_events = (
        sa.select(
            sa.func.count().label("event_count"),
            sa.func.min(events.c.timestamp).label("first_event_at"),
            sa.func.max(events.c.timestamp).label("last_event_at"),
        )
        .where(events.c.session_id == session_id, is_there)
        .subquery()
    )
    of_runs = (
        sa.select(runs.c.provider, runs.c.status, *_run_sums(dialect))
        .where(runs.c.session_id == session_id, is_there)
        .group_by(runs.c.provider, runs.c.status)
        .subquery()
    )
    return (
        sa.select(of_events, of_runs)
        .select_from(sessions)
        .join(of_events, sa.true())
        .outerjoin(of_runs, sa.true())
        .where(is_it)
    )


def session_stats(
    session_id: str, found: Sequence[sa.Row[*tuple[Any, ...]]]
) -> SessionStats:
    """
    Put together what :func:`session_figures` finds.

    Raises:
        SessionNotFoundError: If it finds nothing.
    """
    if not found:
        raise SessionNotFoundError(session_id)
    groups = [row for row in found if row.run_count]
    status_counts = Counter[RunStatus]()
    for row in groups:
        with rows.reading(runs):
            status_counts[RunStatus(row.status)] += row.run_count
    return SessionStats(
        event_count=found[0].event_count,
        run_count=status_counts.total(),
        token_totals=TokenTotals(
            **{name: sum(getattr(row, name) for row in groups) for name in TOKEN_COUNTS}
        ),
        providers_used=tuple(sorted({row.provider for row in groups if row.provider})),
        first_event_at=found[0].first_event_at,
        last_event_at=found[0].last_event_at,
        status_counts=status_counts,
    )
