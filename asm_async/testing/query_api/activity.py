"""
When sessions were last written to, and finding them in that order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import pytest

from asm_async.errors import InvalidCursorError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.query_api.contract import QueryAPIContract, ids_of
from asm_async.testing.query_api.transfer import (
    Elsewhere,
    export_of,
    exported,
    history,
    pieces,
)
from asm_async.values.export_records import ExportedSession, ExportRecord
from asm_async.values.session import Session, SessionStatus

__all__ = ["TestActivity"]

_A_SECOND = timedelta(seconds=1)


async def activity_of(store: SessionStore, session_id: str = "ses_1") -> datetime:
    """
    Return the time at which a session was last written to.
    """
    session = await store.get_session(session_id)
    assert session.last_activity_at is not None
    return session.last_activity_at


async def pages(
    query_api: QueryAPI, limit: int, **filters: Any
) -> AsyncIterator[list[Session]]:
    """
    Yield all pages of a search, those written to last coming first.
    """
    cursor: str | None = None
    while True:
        page = await query_api.search_sessions(
            order_by="last_activity_desc", limit=limit, cursor=cursor, **filters
        )
        yield [*page.items]
        if (cursor := page.cursor) is None:
            return


async def found(query_api: QueryAPI, limit: int = 2, **filters: Any) -> list[str]:
    """
    Return the ids on all pages.
    """
    return [one.id async for page in pages(query_api, limit, **filters) for one in page]


async def import_sessions(query_api: QueryAPI, *sessions: Session) -> None:
    """
    Store sessions with the activity that they have.
    """
    exports: list[list[ExportRecord]] = []
    for session in sessions:
        _, *rest = history(session, runs=(), events=())
        head = ExportedSession(session=session, latest_sequence=0, pruned_count=0)
        exports.append([head, *rest])
    await query_api.import_sessions(pieces(export_of(*exports)))


class TestActivity(QueryAPIContract):
    """
    What is written moves the time of a session's last activity, to the microsecond.
    """

    async def test_every_write_is_an_activity(self, store: SessionStore) -> None:
        """
        The session's, a run's and an event's, alone and together.
        """
        session = make_session()
        run = make_run()
        writes = (
            lambda: store.save_session(session),
            lambda: store.append_event(make_event(id="evt_first")),
            lambda: store.append_events(make_events(3)),
            lambda: store.append_events([make_event(id="evt_twice")] * 2),
            lambda: store.append_event_with_sequence(
                make_event(id="evt_expected"), expected_sequence=5
            ),
            lambda: store.save_run(run),
            lambda: store.flush(
                make_execution_result(session=session, run=run, events=[])
            ),
            lambda: store.flush(
                make_execution_result(
                    session=None, run=None, events=[make_event(id="evt_last")]
                )
            ),
        )
        before = datetime.min.replace(tzinfo=UTC)
        for write in writes:
            await write()
            now = await activity_of(store)
            assert now > before
            before = now

    async def test_a_save_gives_back_when_it_was(self, store: SessionStore) -> None:
        """
        It is the store's to give, whatever was handed in, and changes nothing else.
        """
        old = make_session(last_activity_at=NOON)
        saved = await store.save_session(old, operation_id="op")
        again = await store.save_session(old, operation_id="op")
        flushed = await store.flush(make_execution_result(session=old, events=[]))

        assert saved.last_activity_at is not None
        assert saved.last_activity_at > NOON
        assert again.last_activity_at == saved.last_activity_at
        assert flushed.session is not None
        assert flushed.session.last_activity_at == await activity_of(store)
        assert saved.has_same_content(old)

    async def test_what_writes_nothing_is_none(
        self, store: SessionStore, backend: QueryAPIBackend
    ) -> None:
        """
        Neither a repetition, a refusal or a read, nor deletion, its undoing or pruning.
        """
        await store.save_session(make_session(), operation_id="op")
        await store.append_events(make_events(3))
        before = await activity_of(store)

        await store.append_events(make_events(3))
        await store.save_session(make_session(), operation_id="op")
        await store.get_events("ses_1")
        await backend.prune("ses_1", {1})
        await backend.soft_delete("ses_1")
        await backend.restore("ses_1")

        assert await activity_of(store) == before

    @needs(Capability.SPANS_SESSIONS)
    async def test_other_sessions_are_not_touched(self, store: SessionStore) -> None:
        """
        Events of several sessions are an activity of each of these alone.
        """
        for number in range(6):
            await store.save_session(make_session(id=f"ses_{number}"))
        before = [await activity_of(store, f"ses_{number}") for number in range(6)]
        await store.append_events(
            [make_event(id=f"evt_{n}", session_id=f"ses_{n}") for n in range(5)]
        )
        after = [await activity_of(store, f"ses_{number}") for number in range(6)]

        assert [old < new for old, new in zip(before, after, strict=True)] == [
            *[True] * 5,
            False,
        ]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
    async def test_the_order_is_exact(
        self, store: SessionStore, query_api: QueryAPI, limit: int
    ) -> None:
        """
        However close together sessions were written to, and in whatever order begun.
        """
        for number in range(9):
            await store.save_session(make_session(id=f"ses_{number}"))
        order = [4, 0, 8, 2, 2, 7, 0]
        for index, number in enumerate(order):
            event = make_event(id=f"evt_{index}", session_id=f"ses_{number}")
            await store.append_event(event)
        await store.save_run(make_run(session_id="ses_5"))

        ids = await found(query_api, limit)

        assert ids == [f"ses_{number}" for number in (5, 0, 7, 2, 8, 4, 6, 3, 1)]

    async def test_a_session_that_is_written_to_moves_ahead(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Going on shows nothing twice, and leaves out nothing but what has moved.
        """
        for number in range(8):
            await store.save_session(make_session(id=f"ses_{number}"))
        going = pages(query_api, 2)
        first = await anext(going)
        await store.append_event(make_event(session_id="ses_3"))
        await store.append_event(make_event(session_id="ses_7"))
        rest = [session async for page in going for session in page]

        assert ids_of_all(first) == ["ses_7", "ses_6"]
        assert ids_of_all(rest) == ["ses_5", "ses_4", "ses_2", "ses_1", "ses_0"]
        assert (await found(query_api, 3))[:2] == ["ses_7", "ses_3"]

    async def test_filters_narrow_it(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        Each of the filters, alone and with others.
        """
        for number in range(12):
            session = make_session(
                id=f"ses_{number:02}",
                tenant_id="tenant" if number % 2 else None,
                user_id="ann" if number % 3 else None,
                agent_id="a" if number % 4 else "b",
                status=SessionStatus.ACTIVE if number > 5 else SessionStatus.PENDING,
                tags=["odd"] if number % 2 else [],
                parent_session_id="ses_00" if number == 7 else None,
                created_at=NOON + number * _A_SECOND,
            )
            await store.save_session(session)
        await store.save_run(make_run(session_id="ses_03", provider="x"))
        await backend.soft_delete("ses_11")
        expected: dict[str, tuple[dict[str, Any], list[int]]] = {
            "all": ({}, [3, 10, 9, 8, 7, 6, 5, 4, 2, 1, 0]),
            "tenant": ({"tenant_id": "tenant"}, [3, 9, 7, 5, 1]),
            "user": ({"user_id": "ann"}, [10, 8, 7, 5, 4, 2, 1]),
            "both": ({"user_id": "ann", "tenant_id": "tenant"}, [7, 5, 1]),
            "agent": ({"agent_id": "b"}, [8, 4, 0]),
            "status": ({"status": "active"}, [10, 9, 8, 7, 6]),
            "statuses": ({"status": ["active", "failed"]}, [10, 9, 8, 7, 6]),
            "no status": ({"status": []}, []),
            "tags": ({"tags": ["odd"]}, [3, 9, 7, 5, 1]),
            "parent": ({"parent_session_id": "ses_00"}, [7]),
            "provider": ({"provider": "x"}, [3]),
            "created": ({"created_after": NOON + 7 * _A_SECOND}, [10, 9, 8]),
            "deleted": (
                {"include_deleted": True, "tenant_id": "tenant"},
                [3, 11, 9, 7, 5, 1],
            ),
        }
        for name, (filters, numbers) in expected.items():
            ids = [f"ses_{number:02}" for number in numbers]
            assert await found(query_api, 2, **filters) == ids, name
            page = await query_api.search_sessions(
                order_by="last_activity_desc", count_total=True, **filters
            )
            assert (ids_of(page), page.total_count) == (ids, len(ids)), name

    async def test_sessions_of_one_time_are_in_the_order_of_their_ids(
        self, query_api: QueryAPI
    ) -> None:
        """
        Backwards, by code point, on whatever page; and the times of all ages are kept.
        """
        times = (
            datetime.max.replace(tzinfo=UTC),
            NOON,
            NOON - timedelta(microseconds=1),
            NOON - timedelta(seconds=59),
            datetime.min.replace(tzinfo=UTC),
        )
        sessions = [
            make_session(id=f"{name}{number}", revision=1, last_activity_at=time)
            for number, time in enumerate(times)
            for name in ("b", "a", "\ufffd", "B")
        ]
        await import_sessions(query_api, *sessions)
        in_order = sorted(sessions, key=attrgetter("id"), reverse=True)
        in_order.sort(key=attrgetter("last_activity_at"), reverse=True)

        for limit in (1, 3, 4):
            ids = [one.id for one in in_order]
            assert await found(query_api, limit) == ids
        whole = [one async for page in pages(query_api, 50) for one in page]
        assert [one.last_activity_at for one in whole] == [
            one.last_activity_at for one in in_order
        ]

    async def test_imported_history_keeps_its_activity(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        What has none was last active when it was imported; it is the same history.
        """
        elsewhere = Elsewhere()
        await elsewhere.store.save_session(make_session())
        await elsewhere.store.append_events(make_events(3))
        whole = await exported(elsewhere.query_api)
        there = await activity_of(elsewhere.store)
        unsaid = make_session(id="ses_2", revision=1)

        await query_api.import_sessions(pieces(whole))
        assert await exported(query_api) == whole
        await import_sessions(query_api, unsaid)
        imported = await activity_of(store, "ses_2")
        await import_sessions(query_api, unsaid)

        assert await activity_of(store) == there
        assert await activity_of(store, "ses_2") == imported > there
        assert await found(query_api) == ["ses_2", "ses_1"]
        await store.append_event(make_event(id="evt_new", session_id="ses_1"))
        assert await found(query_api) == ["ses_1", "ses_2"]

    async def test_a_session_begun_anew_has_its_own_activity(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        One that was removed is found no longer, until its id is saved again.
        """
        for number in range(3):
            await store.save_session(make_session(id=f"ses_{number}"))
        await store.delete_session("ses_1")
        assert await found(query_api, 1) == ["ses_2", "ses_0"]
        assert await found(query_api, 1, include_deleted=True) == ["ses_2", "ses_0"]
        await store.save_session(make_session(id="ses_1"))
        assert await found(query_api, 1) == ["ses_1", "ses_2", "ses_0"]

    async def test_a_cursor_is_one_of_its_order(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        That of another order is refused, as everywhere.
        """
        for number in range(3):
            await store.save_session(make_session(id=f"ses_{number}"))
        page = await query_api.search_sessions(limit=1, order_by="updated_at_desc")
        with pytest.raises(InvalidCursorError):
            await query_api.search_sessions(
                order_by="last_activity_desc", cursor=page.cursor
            )


def ids_of_all(sessions: list[Session]) -> list[str]:
    """
    Return the ids of sessions, in their order.
    """
    return [session.id for session in sessions]
