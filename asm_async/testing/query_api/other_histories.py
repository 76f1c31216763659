"""
Importing where a session of the same id is here, or was.
"""

from __future__ import annotations

import re
from datetime import timedelta

import attrs
import pytest

from asm_async.errors import HistoryConflictError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import NOON, make_event, make_run, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import export_of, exported, history, pieces
from asm_async.values.export_records import ExportRecord

__all__ = ["TestOtherHistories"]

LATER = NOON + timedelta(seconds=1)
FIRST, SECOND = (make_event(id=f"evt_{n}", sequence_number=n) for n in (1, 2))


class TestOtherHistories(QueryAPIContract):
    """
    A session that is here with another history is neither replaced nor merged.
    """

    @pytest.mark.parametrize(
        ("other", "reason"),
        [
            (history(make_session(revision=2)), "it was changed here"),
            (history(make_session(revision=1, tags=("a",))), "it was changed here"),
            (history(make_session(revision=1, deleted_at=NOON)), "it was changed here"),
            (history(runs=()), "it has other runs here"),
            (history(runs=[make_run(revision=1, input=1)]), "it has other runs here"),
            (history(events=[FIRST]), "it is at sequence number 2 here, and at 1"),
            (history(events=[FIRST], pruned_count=1), "it has other events here"),
            (
                history(events=[FIRST, attrs.evolve(SECOND, timestamp=LATER)]),
                "it has other events here",
            ),
            (
                history(events=[FIRST, attrs.evolve(SECOND, data={"n": 1.0})]),
                "it has other events here",
            ),
        ],
        ids=range(9),
    )
    async def test_other_content_is_refused(
        self, query_api: QueryAPI, other: list[ExportRecord], reason: str
    ) -> None:
        """
        Whatever it is that differs; the error says what, and nothing changes.
        """
        export = export_of(history())
        await query_api.import_sessions(pieces(export))

        with pytest.raises(HistoryConflictError, match=re.escape(reason)) as caught:
            await query_api.import_sessions(pieces(export_of(other)))

        assert caught.value.session_id == "ses_1"
        assert await exported(query_api, include_deleted=True) == export

    async def test_a_session_that_went_on_is_refused(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        An older export does not undo what was appended since.
        """
        export = export_of(history())
        await query_api.import_sessions(pieces(export))
        await store.append_event(make_event(id="evt_new"))

        with pytest.raises(HistoryConflictError, match="number 3 here, and at 2 there"):
            await query_api.import_sessions(pieces(export))
        assert await store.get_latest_sequence("ses_1") == 3

    async def test_a_tombstone_is_refused(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        What was deleted for good does not rise, and its numbers stay used.
        """
        export = export_of(history())
        await query_api.import_sessions(pieces(export))
        await store.delete_session("ses_1")

        with pytest.raises(HistoryConflictError, match="hard-deleted here"):
            await query_api.import_sessions(pieces(export))

        [gate] = (await backend.gates()).values()
        assert (gate.latest, gate.stored, gate.state) == (2, 0, "deleted")

    @needs(Capability.UNIQUE_IDS)
    async def test_a_run_of_another_session_is_refused(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        Run ids are global; of the session in hand nothing is stored.
        """
        await store.save_session(make_session(id="ses_0"))
        await store.save_run(make_run(session_id="ses_0"))

        with pytest.raises(HistoryConflictError, match=r"'run_1' belongs to .*'ses_0'"):
            await query_api.import_sessions(pieces(export_of(history())))

        assert list(await backend.gates()) == ["ses_0"]
        assert await store.list_runs("ses_1") == []
        assert await store.get_events("ses_1") == []

    @needs(Capability.UNIQUE_IDS)
    async def test_a_run_at_a_revision_that_was_is_refused(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        No revision of a run that was deleted here comes back with other content.
        """
        await store.save_session(make_session(id="ses_0"))
        for turn_count in range(2):
            run = make_run(session_id="ses_0", turn_count=turn_count)
            await store.save_run(run)
        await store.delete_session("ses_0")

        for revision in (1, 2):
            export = export_of(history(runs=[make_run(revision=revision)]))
            with pytest.raises(HistoryConflictError, match="'run_1' was deleted here"):
                await query_api.import_sessions(pieces(export))
        later = export_of(history(runs=[make_run(revision=3)]))
        await query_api.import_sessions(pieces(later))
        assert (await store.save_run(make_run())).revision == 4

    async def test_revisions_go_on_from_where_an_import_was(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Also when what was imported is deleted and its ids come back.
        """
        imported = history(make_session(revision=7), runs=[make_run(revision=5)])
        await query_api.import_sessions(pieces(export_of(imported)))
        await store.delete_session("ses_1")

        assert (await store.save_session(make_session())).revision == 8
        assert (await store.save_run(make_run())).revision == 6

    async def test_what_came_before_stays(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A refusal ends the import: earlier sessions are here, later ones are not.
        """
        await store.save_session(make_session(id="ses_2"))
        sessions = [
            history(make_session(id=f"ses_{number}", revision=1), runs=())
            for number in (1, 2, 3)
        ]

        with pytest.raises(HistoryConflictError) as caught:
            await query_api.import_sessions(pieces(export_of(*sessions)))

        assert caught.value.session_id == "ses_2"
        stored = [session.id for session in await store.list_sessions()]
        assert sorted(stored) == ["ses_1", "ses_2"]
