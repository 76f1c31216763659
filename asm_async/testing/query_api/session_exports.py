"""
Exporting one session as a value.
"""

from __future__ import annotations

import pytest

from asm_async.errors import SessionNotFoundError, ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import store_session

__all__ = ["TestSessionExports"]


class TestSessionExports(QueryAPIContract):
    """
    A session comes whole, or not at all.
    """

    async def test_a_session_comes_with_all_it_has(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        It holds the session, its runs in order, its events and its counter.
        """
        await store_session(store, "ses_1")
        await store_session(store, "ses_2")

        export = await query_api.export_session("ses_1")

        assert export.session == await store.get_session("ses_1")
        assert list(export.runs) == await store.list_runs("ses_1")
        assert list(export.events) == await store.get_events("ses_1")
        assert (export.latest_sequence, export.pruned_count) == (5, 0)

    async def test_what_was_pruned_is_counted(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        Stored and pruned events add up to the latest number.
        """
        await store_session(store, "ses_1")
        await backend.prune("ses_1", [1, 3, 5])

        export = await query_api.export_session("ses_1")

        assert [event.sequence_number for event in export.events] == [2, 4]
        assert (export.latest_sequence, export.pruned_count) == (5, 3)

    async def test_a_soft_deleted_session_is_exported(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        It is there, with the time of its deletion.
        """
        await store_session(store, "ses_1")
        await backend.soft_delete("ses_1")

        export = await query_api.export_session("ses_1")

        assert export.session.deleted_at is not None
        assert len(export.events) == 5

    @pytest.mark.parametrize("was_there", [True, False])
    async def test_an_unknown_session_is_not_found(
        self, store: SessionStore, query_api: QueryAPI, *, was_there: bool
    ) -> None:
        """
        One that never was, and one that was removed for good.
        """
        if was_there:
            await store_session(store, "ses_1")
            await store.delete_session("ses_1")

        with pytest.raises(SessionNotFoundError):
            await query_api.export_session("ses_1")

    async def test_what_is_no_id_is_refused(self, query_api: QueryAPI) -> None:
        """
        The error names the argument.
        """
        with pytest.raises(ValidationError, match=r"^session_id: "):
            await query_api.export_session("")
