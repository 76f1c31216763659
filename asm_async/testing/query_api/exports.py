"""
Exporting: each session whole, as of one moment, in lines.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from asm_async.errors import ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.concurrency import cancel_after
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_run,
    make_session,
)
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import exported, records_in, store_session
from asm_async.values.event import Event
from asm_async.values.export_records import (
    ExportedSession,
    ExportedSessionEnd,
    ExportEnd,
    ExportHeader,
)
from asm_async.values.run import Run
from asm_async.values.session import SessionStatus
from asm_async.values.transfer_reports import ExportReport

__all__ = ["TestExports"]


def sessions_in(export: bytes) -> list[str]:
    """
    Return the ids of the sessions of an export.
    """
    heads = [one for one in records_in(export) if isinstance(one, ExportedSession)]
    return [head.session.id for head in heads]


class TestExports(QueryAPIContract):
    """
    ``export_sessions``: a stream of lines.
    """

    async def test_nothing_gives_an_empty_export(self, query_api: QueryAPI) -> None:
        """
        It has a beginning and an end.
        """
        assert records_in(await exported(query_api)) == [
            ExportHeader(),
            ExportEnd(
                session_count=0,
                run_count=0,
                artifact_count=0,
                item_count=0,
                event_count=0,
            ),
        ]

    async def test_each_session_comes_with_all_it_has(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        The records of a session follow each other, in the order in which they happened.
        """
        await store_session(store, "ses_1")
        await store_session(store, "ses_2", created_at=NOON - timedelta(days=1))
        await backend.prune("ses_2", [1])

        header, *records, end = records_in(await exported(query_api))

        expected: list[object] = []
        for session_id, pruned in (("ses_2", 1), ("ses_1", 0)):
            runs = await store.list_runs(session_id)
            events = await store.get_events(session_id)
            head = ExportedSession(
                session=await store.get_session(session_id),
                latest_sequence=5,
                pruned_count=pruned,
            )
            tail = ExportedSessionEnd(
                session_id=session_id,
                run_count=2,
                artifact_count=0,
                item_count=0,
                event_count=len(events),
            )
            expected += [head, *runs, *events, tail]
        assert records == expected
        assert header == ExportHeader()
        assert end == ExportEnd(
            session_count=2, run_count=4, artifact_count=0, item_count=0, event_count=9
        )

    async def test_the_same_history_gives_the_same_bytes(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Two exports of what did not change are equal, and in ASCII.
        """
        await store_session(store, "ses_1", metadata={"\ud800": "é\0", "n": 10**4000})

        export = await exported(query_api)

        assert export == await exported(query_api)
        assert export.isascii()

    async def test_all_of_a_long_session_comes(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        However many batches it takes, each run and event comes once and in order.
        """
        await store.save_session(make_session())
        for start in range(1, 4_001, 1_000):
            await store.append_events(make_events(1_000, first=start))

        records = records_in(await exported(query_api))

        numbers = [one.sequence_number for one in records if isinstance(one, Event)]
        assert numbers == list(range(1, 4_001))

    async def test_runs_of_the_same_time_come_by_id(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        However many there are, each comes once and in its place.
        """
        await store.save_session(make_session())
        for number in reversed(range(100)):
            time = NOON + timedelta(seconds=number // 50)
            await store.save_run(make_run(id=f"run_{number:03}", started_at=time))

        records = records_in(await exported(query_api))

        found = [one.id for one in records if isinstance(one, Run)]
        assert found == [f"run_{number:03}" for number in range(100)]

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({}, ["ses_1", "ses_2"]),
            ({"agent_id": "other"}, ["ses_2"]),
            ({"tags": ["a"]}, ["ses_1"]),
            ({"status": [SessionStatus.ACTIVE]}, []),
            ({"created_after": NOON}, ["ses_2"]),
            ({"include_deleted": True}, ["ses_1", "ses_2", "ses_3"]),
        ],
        ids=str,
    )
    async def test_filters_choose_sessions(
        self,
        store: SessionStore,
        query_api: QueryAPI,
        backend: QueryAPIBackend,
        filters: dict[str, Any],
        found: list[str],
    ) -> None:
        """
        They are those of a search; soft-deleted sessions come only when asked for.
        """
        later, latest = (NOON + timedelta(hours=hours) for hours in (1, 2))
        await store.save_session(make_session(tags=("a",)))
        await store.save_session(
            make_session(id="ses_2", agent_id="other", created_at=later)
        )
        await store.save_session(make_session(id="ses_3", created_at=latest))
        await backend.soft_delete("ses_3")

        assert sessions_in(await exported(query_api, **filters)) == found

    async def test_more_sessions_than_a_page_come(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        An export has no bound on the number of sessions.
        """
        for number in range(250):
            await store.save_session(make_session(id=f"ses_{number:03}"))

        found = sessions_in(await exported(query_api))

        assert found == [f"ses_{number:03}" for number in range(250)]

    async def test_the_writer_is_waited_for(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        It gets whole lines, and nothing before it has taken what it got.
        """
        await store_session(store, "ses_1")
        written: list[bytes] = []
        is_busy = False

        async def write(data: bytes) -> None:
            nonlocal is_busy
            assert not is_busy
            is_busy = True
            for _ in range(5):
                await asyncio.sleep(0)
            is_busy = False
            written.append(data)

        await query_api.export_sessions(write)

        assert all(data.endswith(b"\n") for data in written)
        assert b"".join(written) == await exported(query_api)

    async def test_no_transaction_is_open_while_the_writer_works(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        The writer may use the database itself, also if that has but one connection.
        """
        await store_session(store, "ses_1")
        appended = 0

        async def write(_: bytes) -> None:
            nonlocal appended
            appended += 1
            await store.append_event(make_event(id=f"more_{appended}"))

        await query_api.export_sessions(write)

        assert await store.get_latest_sequence("ses_1") == 5 + appended

    async def test_a_session_is_seen_at_one_moment(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        What happens after its first lines were given does not show in the others.
        """
        await store_session(store, "ses_1")
        await store.append_events(make_events(3_000, first=100))
        written: list[bytes] = []

        async def write(data: bytes) -> None:
            if written:
                await store.delete_session("ses_1")
            written.append(data)

        await query_api.export_sessions(write)

        *_, session_end, _ = records_in(b"".join(written))
        assert session_end == ExportedSessionEnd(
            session_id="ses_1",
            run_count=2,
            artifact_count=0,
            item_count=0,
            event_count=3_005,
        )

    @pytest.mark.parametrize("for_ever", [True, False])
    async def test_a_session_that_goes_before_its_turn_is_left_out(
        self,
        store: SessionStore,
        query_api: QueryAPI,
        backend: QueryAPIBackend,
        *,
        for_ever: bool,
    ) -> None:
        """
        Whether it is removed for good or soft-deleted; the export is whole without it.
        """
        await store_session(store, "ses_1")
        await store_session(store, "ses_2", created_at=NOON + timedelta(hours=1))
        written: list[bytes] = []

        async def write(data: bytes) -> None:
            if not written:
                remove = store.delete_session if for_ever else backend.soft_delete
                await remove("ses_2")
            written.append(data)

        report = await query_api.export_sessions(write)

        *_, end = records_in(b"".join(written))
        assert sessions_in(b"".join(written)) == ["ses_1"]
        assert end == ExportEnd(
            session_count=1, run_count=2, artifact_count=0, item_count=0, event_count=5
        )
        assert report.session_count == 1

    async def test_progress_is_told_after_each_write(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        The reports grow, and the last is the one that is returned.
        """
        await store_session(store, "ses_1")
        await store_session(store, "ses_2")
        reports: list[ExportReport] = []
        sizes: list[int] = []

        async def write(data: bytes) -> None:
            sizes.append(len(data))

        report = await query_api.export_sessions(write, progress=reports.append)

        told = [one.byte_count for one in reports]
        assert told == [sum(sizes[:count]) for count in range(1, len(sizes) + 1)]
        assert report == reports[-1]
        assert report == ExportReport(
            session_count=2, run_count=4, event_count=10, byte_count=sum(sizes)
        )

    @pytest.mark.parametrize("writes_before", [0, 1, 3])
    async def test_what_the_writer_raises_ends_the_export(
        self, store: SessionStore, query_api: QueryAPI, writes_before: int
    ) -> None:
        """
        The caller gets the writer's own error, and nothing is written after it.
        """
        await store_session(store, "ses_1")
        written: list[bytes] = []

        async def write(data: bytes) -> None:
            if len(written) == writes_before:
                raise OSError("the disk is full")
            written.append(data)

        with pytest.raises(OSError, match="the disk is full"):
            await query_api.export_sessions(write)
        assert len(written) == writes_before

    @pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34])
    async def test_a_cancelled_export_leaves_nothing_open(
        self, store: SessionStore, query_api: QueryAPI, turns: int
    ) -> None:
        """
        Wherever it is cancelled, the query API goes on working.
        """
        await store_session(store, "ses_1")

        await cancel_after(turns, exported(query_api))

        assert sessions_in(await exported(query_api)) == ["ses_1"]

    @pytest.mark.parametrize(
        ("argument", "options"),
        [
            ("writer", {"writer": b""}),
            ("progress", {"progress": 5}),
            ("created_after", {"created_after": datetime(2026, 1, 1)}),  # noqa: DTZ001 - naive on purpose
            ("tags", {"tags": "a"}),
        ],
    )
    async def test_bad_arguments_are_refused_before_anything_is_written(
        self, query_api: QueryAPI, argument: str, options: dict[str, Any]
    ) -> None:
        """
        The error names the argument.
        """
        written: list[bytes] = []

        async def write(data: bytes) -> None:
            written.append(data)

        given: dict[str, Any] = {"writer": write, **options}
        with pytest.raises(ValidationError, match=f"^{argument}: "):
            await query_api.export_sessions(**given)
        assert written == []
