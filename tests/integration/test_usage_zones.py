"""
Buckets of time on a PostgreSQL whose sessions do not live in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.testing.factories import make_run, make_session

IN_TOKYO = {"server_settings": {"timezone": "Asia/Tokyo"}}


@pytest.mark.postgres
async def test_buckets_begin_in_utc_wherever_the_server_is(
    migrated_postgres_url: str,
) -> None:
    """
    The time zone of the connection moves no run into another bucket.
    """
    engine = create_engine(migrated_postgres_url, connect_args=IN_TOKYO)
    store, query_api = SQLSessionStore(engine), SQLQueryAPI(engine)
    await store.save_session(make_session())
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    await store.save_run(make_run(started_at=new_year.replace(hour=3), cost_usd=1))
    usage = await query_api.get_usage_summary(bucket="day")
    costs = await query_api.get_cost_summary(bucket="month")
    await store.aclose()
    await engine.dispose()

    # In Tokyo both began nine hours earlier, when it was still December in UTC.
    assert list(usage.by_bucket) == list(costs.by_bucket) == [new_year]
