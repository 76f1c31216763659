"""
What runs consumed, hour by hour, day by day and month by month.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from asm_async.ports.query_api import QueryAPI, TimeBucket
from asm_async.ports.session_store import SessionStore
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.usage import save_all, totals, used
from asm_async.values.summaries import UsageTotals

__all__ = ["TestUsageOverTime"]

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


@pytest.mark.usefixtures("session")
class TestUsageOverTime(QueryAPIContract):
    """
    Hours, days and months begin in UTC, in all years that there are.
    """

    async def test_buckets_begin_where_their_hour_day_or_month_does(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        The last microsecond before the hour belongs to what was before, in each way.
        """
        hour = datetime(2024, 3, 1, tzinfo=UTC)
        before = hour - timedelta(microseconds=1)
        half_past = hour.replace(minute=30)
        await save_all(
            store,
            [
                used("run_1", 1, started_at=half_past),
                used("run_2", 2, started_at=before),
                used("run_3", 4, started_at=hour),
                used("run_4", 8, started_at=hour.replace(hour=23)),
                used("run_5", 16, started_at=hour.replace(day=31)),
            ],
        )
        expected: dict[TimeBucket, dict[datetime, UsageTotals]] = {
            "hour": {
                datetime(2024, 2, 29, 23, tzinfo=UTC): totals(1, 2),
                hour: totals(2, 5),
                hour.replace(hour=23): totals(1, 8),
                hour.replace(day=31): totals(1, 16),
            },
            "day": {
                datetime(2024, 2, 29, tzinfo=UTC): totals(1, 2),
                hour: totals(3, 13),
                hour.replace(day=31): totals(1, 16),
            },
            "month": {
                datetime(2024, 2, 1, tzinfo=UTC): totals(1, 2),
                hour: totals(4, 29),
            },
        }
        for bucket, by_bucket in expected.items():
            usage = await query_api.get_usage_summary(bucket=bucket)
            assert usage.by_bucket == by_bucket
            assert list(usage.by_bucket) == sorted(by_bucket)
            assert (usage.run_count, usage.total_tokens) == (5, 31)
            assert all(start.tzinfo is UTC for start in usage.by_bucket)

    async def test_a_bucket_is_the_utc_one_whatever_the_zone(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        New Year's morning in Tokyo is still the old year.
        """
        tokyo = timezone(timedelta(hours=9))
        in_tokyo = datetime(2026, 1, 1, 8, 59, tzinfo=tokyo)
        await store.save_run(used("run_1", 1, started_at=in_tokyo))
        starts: dict[TimeBucket, datetime] = {
            "hour": datetime(2025, 12, 31, 23, tzinfo=UTC),
            "day": datetime(2025, 12, 31, tzinfo=UTC),
            "month": datetime(2025, 12, 1, tzinfo=UTC),
        }
        for bucket, start in starts.items():
            usage = await query_api.get_usage_summary(bucket=bucket)
            assert usage.by_bucket == {start: totals(1, 1)}

    async def test_all_years_have_buckets(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        From the first microsecond of the year 1 to the last of 9999, across 1970.

        The last time of all shares its bucket with others.
        """
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        microsecond = timedelta(microseconds=1)
        times = [_FIRST, epoch - microsecond, epoch, _LAST - 59 * microsecond, _LAST]
        await save_all(
            store,
            [
                used(f"run_{number}", 2**number, started_at=time)
                for number, time in enumerate(times)
            ],
        )
        month = datetime(1969, 12, 1, tzinfo=UTC)
        starts: dict[TimeBucket, datetime] = {
            "hour": month.replace(day=31, hour=23),
            "day": month.replace(day=31),
            "month": month,
        }
        for bucket, start in starts.items():
            usage = await query_api.get_usage_summary(bucket=bucket)
            assert usage.by_bucket == {
                _FIRST: totals(1, 1),
                start: totals(1, 2),
                epoch: totals(1, 4),
                start.replace(year=9999): totals(2, 8 + 16),
            }

    async def test_without_a_bucket_there_is_none(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Time is only told apart where it is asked for.
        """
        await store.save_run(used("run_1", 1))
        assert (await query_api.get_usage_summary()).by_bucket == {}
