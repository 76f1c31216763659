"""
Importing: a session comes whole and unchanged, once, or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import attrs
import pytest

from asm_async.errors import (
    SessionDeletedError,
    SessionNotFoundError,
)
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate, QueryAPIBackend
from asm_async.testing.concurrency import cancel_after, run_together
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_session,
)
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import (
    Elsewhere,
    export_of,
    exported,
    history,
    pieces,
    store_session,
)
from asm_async.values.transfer_reports import ImportReport

__all__ = ["TestImports"]


class TestImports(QueryAPIContract):
    """
    What another database exported is the same here.
    """

    async def test_an_export_of_another_database_comes_in_whole(
        self, query_api: QueryAPI
    ) -> None:
        """
        Exported again, it gives the same bytes; so ids, numbers and times are the same.
        """
        elsewhere = Elsewhere()
        await store_session(elsewhere.store, "ses_1")
        await store_session(elsewhere.store, "ses_2", tenant_id="t")
        export = await exported(elsewhere.query_api)

        report = await query_api.import_sessions(pieces(export))

        assert await exported(query_api) == export
        assert report == ImportReport(
            line_count=export.count(b"\n"),
            sessions_imported=2,
            runs_imported=4,
            events_imported=10,
        )

    async def test_an_export_goes_back_into_another_database(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Each session is equal there.
        """
        await store_session(store, "ses_1")
        elsewhere = Elsewhere()

        await elsewhere.query_api.import_sessions(pieces(await exported(query_api)))

        there = await elsewhere.query_api.export_session("ses_1")
        assert there == await query_api.export_session("ses_1")

    async def test_the_counter_comes_along(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        Pruned events stay counted, and the next event gets the next number.
        """
        elsewhere = Elsewhere()
        await store_session(elsewhere.store, "ses_1")
        elsewhere.database.prune("ses_1", [2, 4, 5])

        await query_api.import_sessions(pieces(await exported(elsewhere.query_api)))

        gate = Gate(latest=5, stored=2, pruned=3, state="live")
        assert await backend.gates() == {"ses_1": gate}
        event = await store.append_event_with_sequence(make_event(id="evt_new"))
        assert event.sequence_number == 6

    async def test_a_session_without_events_keeps_its_number(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        All of them may have been pruned.
        """
        export = export_of(history(runs=(), events=(), pruned_count=7))

        await query_api.import_sessions(pieces(export))

        assert await store.get_latest_sequence("ses_1") == 7
        assert await exported(query_api) == export

    async def test_what_was_imported_is_found(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        By tag, by run, by event, and in lists.
        """
        elsewhere = Elsewhere()
        await store_session(elsewhere.store, "ses_1")

        await query_api.import_sessions(pieces(await exported(elsewhere.query_api)))

        session = await elsewhere.store.get_session("ses_1")
        assert await store.list_sessions() == [session]
        assert (await query_api.search_sessions(tags=["a", "b"])).items == (session,)
        assert len((await query_api.search_runs(session_id="ses_1")).items) == 2
        assert await query_api.count_events(run_ids=["run_ses_1_1"]) == 2

    async def test_a_byte_order_mark_is_no_part_of_an_export(
        self, query_api: QueryAPI
    ) -> None:
        """
        Editors put it in front of a file, and RFC 8259 lets it be ignored there.
        """
        export = export_of(history())

        await query_api.import_sessions(pieces(b"\xef\xbb\xbf" + export))

        assert await exported(query_api) == export

    async def test_a_soft_deletion_comes_along(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        The session can be read, not written to, until it is restored.
        """
        deleted = make_session(revision=1, deleted_at=NOON)

        await query_api.import_sessions(pieces(export_of(history(deleted))))

        assert await store.get_session("ses_1") == deleted
        assert await store.list_sessions() == []
        with pytest.raises(SessionDeletedError):
            await store.append_event(make_event(id="evt_new"))
        await backend.restore("ses_1")
        await store.append_event(make_event(id="evt_new"))

    async def test_an_event_that_was_imported_is_not_appended_again(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Idempotence by event id goes on.
        """
        await query_api.import_sessions(pieces(export_of(history())))

        event = await store.append_event_with_sequence(make_event(id="evt_2"))

        assert event.sequence_number == 2

    async def test_the_same_again_changes_nothing(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        The report says that everything was here; so it is where it was exported from.
        """
        await store_session(store, "ses_1")
        await store_session(store, "ses_2")
        export = await exported(query_api)

        report = await query_api.import_sessions(pieces(export))

        assert report == ImportReport(
            line_count=export.count(b"\n"), sessions_unchanged=2
        )
        assert await exported(query_api) == export

    async def test_a_session_that_stands_twice_is_imported_once(
        self, query_api: QueryAPI
    ) -> None:
        """
        The second time, it is here already.
        """
        export = export_of(history(), history())

        report = await query_api.import_sessions(pieces(export))

        assert (report.sessions_imported, report.sessions_unchanged) == (1, 1)

    @pytest.mark.parametrize("size", [1, 7, 1 << 20])
    async def test_the_reader_may_cut_anywhere(
        self, query_api: QueryAPI, size: int
    ) -> None:
        """
        What counts are the lines; the last may lack its end.
        """
        export = export_of(history())

        await query_api.import_sessions(pieces(export.removesuffix(b"\n"), size))

        assert await exported(query_api) == export

    async def test_no_transaction_is_open_while_the_reader_works(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        The reader may use the database itself, also if that has but one connection.
        """
        await store.save_session(make_session(id="ses_0"))
        export = export_of(history())

        async def reader() -> AsyncGenerator[bytes]:
            for number, line in enumerate(export.splitlines(keepends=True)):
                event = make_event(id=f"evt_{number}", session_id="ses_0")
                await store.append_event(event)
                yield line

        await query_api.import_sessions(reader())

        lines = export.count(b"\n")
        assert await store.get_latest_sequence("ses_0") == lines

    async def test_a_long_session_comes_in_whole(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        However many batches it takes.
        """
        elsewhere = Elsewhere()
        await elsewhere.store.save_session(make_session())
        data = {"text": "x" * 2_000}
        for start in range(1, 5_001, 1_000):
            await elsewhere.store.append_events(
                make_events(1_000, first=start, data=data)
            )
        export = await exported(elsewhere.query_api)

        await query_api.import_sessions(pieces(export))
        again = await query_api.import_sessions(pieces(export))

        assert await exported(query_api) == export
        assert await store.get_latest_sequence("ses_1") == 5_000
        assert again.sessions_unchanged == 1

    async def test_progress_is_told(self, query_api: QueryAPI) -> None:
        """
        After each session, and every thousand lines; the reports never shrink.
        """
        events = make_events(2_500)
        numbered = [
            attrs.evolve(event, sequence_number=number)
            for number, event in enumerate(events, start=1)
        ]
        long = history(make_session(id="ses_2", revision=1), runs=(), events=numbered)
        reports: list[ImportReport] = []

        report = await query_api.import_sessions(
            pieces(export_of(history(), long)), progress=reports.append
        )

        told = [(one.line_count, one.sessions_imported) for one in reports]
        assert told == [(6, 1), (1_000, 1), (2_000, 1), (2_508, 2)]
        assert report == attrs.evolve(reports[-1], line_count=2_509)

    async def test_of_two_imports_at_once_one_stores_each_session(
        self, backend: QueryAPIBackend, store: SessionStore
    ) -> None:
        """
        The other finds it here; neither fails.
        """
        sessions = [
            history(make_session(id=f"ses_{number}", revision=1), runs=())
            for number in range(10)
        ]
        export = export_of(*sessions)
        adapters = [await backend.open_query_api() for _ in range(2)]

        reports = await run_together(
            adapter.import_sessions(pieces(export)) for adapter in adapters
        )

        assert sum(report.sessions_imported for report in reports) == 10
        assert sum(report.sessions_unchanged for report in reports) == 10
        assert len(await store.list_sessions()) == 10

    async def test_others_go_on_appending(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Agents at other sessions neither fail nor get a wrong number meanwhile.
        """
        await store.save_session(make_session(id="ses_0"))
        sessions = [
            history(make_session(id=f"ses_{number}", revision=1), runs=())
            for number in range(1, 11)
        ]
        is_over = asyncio.Event()
        numbers: list[int] = []

        async def append() -> None:
            while not is_over.is_set():
                event = make_event(id=f"evt_{len(numbers)}", session_id="ses_0")
                stored = await store.append_event_with_sequence(event)
                numbers.append(stored.sequence_number)

        async def import_all() -> None:
            await query_api.import_sessions(pieces(export_of(*sessions)))
            is_over.set()

        await run_together([append(), import_all()])

        assert numbers == list(range(1, len(numbers) + 1))

    async def test_who_waits_for_a_session_is_woken(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        ``get_events`` gives its events when they have come in.
        """
        waiting = asyncio.create_task(store.get_events("ses_1", wait_timeout=30))

        await query_api.import_sessions(pieces(export_of(history())))

        assert len(await waiting) == 2

    @pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
    async def test_a_cancelled_import_leaves_whole_sessions(
        self, store: SessionStore, query_api: QueryAPI, turns: int
    ) -> None:
        """
        Each is there as it was exported, or not at all; repeating brings the rest.
        """
        sessions = [
            history(make_session(id=f"ses_{number}", revision=1), runs=())
            for number in range(3)
        ]
        export = export_of(*sessions)

        await cancel_after(turns, query_api.import_sessions(pieces(export, 400)))

        for session in await store.list_sessions():
            assert len((await query_api.export_session(session.id)).events) == 2
        await query_api.import_sessions(pieces(export))
        assert await exported(query_api) == export

    async def test_what_the_reader_raises_ends_the_import(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        The caller gets the reader's own error; of the session in hand nothing is here.
        """
        *lines, _, _ = export_of(history()).splitlines(keepends=True)

        async def reader() -> AsyncGenerator[bytes]:
            for line in lines:
                yield line
            raise OSError("the line was cut")

        with pytest.raises(OSError, match="the line was cut"):
            await query_api.import_sessions(reader())
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_1")
        assert await store.get_events("ses_1") == []
