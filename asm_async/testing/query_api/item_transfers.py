"""
Exporting and importing state items: those of a session, and those that belong to none.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import (
    ConflictError,
    HistoryConflictError,
    SessionDeletedError,
    ValidationError,
)
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import NOON, make_item, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import (
    Elsewhere,
    export_of,
    exported,
    history,
    pieces,
    records_in,
    store_session,
)
from asm_async.values.export_lines import encode_export, encode_record
from asm_async.values.export_records import ExportedSessionEnd, ExportEnd, ExportRecord
from asm_async.values.state_item import StateItem
from asm_async.values.transfer_reports import ExportReport, ImportReport

__all__ = ["TestItemTransfers"]

_LEASE = make_item(scope="asm.runs/run_1", key="lease")


def _saved(count: int, *, size: int = 0, **fields: object) -> list[StateItem]:
    """
    Make items as an export has them, in order.
    """
    return [
        make_item(
            key=f"{number:04}",
            data={"n": number},
            content=bytes(size) if size else None,
            updated_at=NOON + timedelta(seconds=number),
            **fields,
        )
        for number in range(count)
    ]


def _unnumbered(items: Sequence[StateItem]) -> list[StateItem]:
    return [item.with_given(0) for item in items]


def _items_in(export: bytes) -> list[StateItem]:
    return [each for each in records_in(export) if isinstance(each, StateItem)]


async def _nothing(query_api: QueryAPI, state: StateStore) -> bool:
    found = await query_api.search_sessions(include_deleted=True)
    return not found.items and not await state.list_items("app/user")


class TestItemTransfers(QueryAPIContract):
    """
    State moves with the history that it goes with, and by itself.
    """

    @pytest_asyncio.fixture
    async def state(
        self, backend: QueryAPIBackend, store: SessionStore
    ) -> AsyncGenerator[StateStore]:
        """
        Open a state store on the same database, and close it before the store.
        """
        del store
        state = await backend.open_state_store()
        yield state
        await state.aclose()

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_session_is_exported_with_its_items(
        self, store: SessionStore, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        Of all scopes but the library's own, by scope and key, and nobody else's.
        """
        await store_session(store, "ses_1")
        await store_session(store, "ses_2")
        *_, theirs, _, nobodys = await state.save_items(
            [
                make_item(
                    scope="b", key="1", session_id="ses_1", data=[1], content=b"x"
                ),
                make_item(scope="a", key="\uffff", session_id="ses_1"),
                make_item(scope="a", key="\U0001f600", session_id="ses_1"),
                make_item(scope="a", key="2", session_id="ses_2"),
                attrs.evolve(_LEASE, session_id="ses_1"),
                make_item(scope="a", key="3"),
            ]
        )
        of_a = await state.get_items("a", ["\uffff", "\U0001f600"])
        of_b = await state.get_items("b", ["1"])
        reports: list[ExportReport] = []

        async def write(data: bytes) -> None:
            assert data

        export = await query_api.export_session("ses_1")
        report = await query_api.export_sessions(write, progress=reports.append)
        records = records_in(await exported(query_api))

        mine = _unnumbered([*of_a.values(), *of_b.values()])
        assert list(export.items) == mine
        found = [each for each in records if isinstance(each, StateItem)]
        assert found == [*mine, *_unnumbered([theirs, nobodys])]
        ends = [each for each in records if isinstance(each, ExportedSessionEnd)]
        assert [end.item_count for end in ends] == [3, 1]
        assert isinstance(records[-1], ExportEnd)
        assert records[-1].item_count == report.item_count == 5
        assert reports[-1] == report

    async def test_items_of_no_session_are_exported_with_everything_alone(
        self, store: SessionStore, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        An export of one tenant, or of whatever else is chosen, has none of them.
        """
        await store.save_session(
            make_session(tenant_id="mine", user_id="u", tags=("a",))
        )
        (item,) = _unnumbered(await state.save_items([make_item(data=1)]))
        await state.save_items([_LEASE])

        assert _items_in(await exported(query_api)) == [item]
        assert _items_in(await exported(query_api, include_deleted=True)) == [item]
        for name, value in {
            "tenant_id": "mine",
            "user_id": "u",
            "agent_id": make_session().agent_id,
            "tags": ["a"],
            "status": make_session().status,
            "created_before": NOON + timedelta(days=1),
        }.items():
            export = await exported(query_api, **{name: value})
            assert len(records_in(export)) == 4
            assert _items_in(export) == []

    @needs(Capability.SPANS_SESSIONS, is_caught=True)
    async def test_items_are_imported_as_they_were(
        self, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        With their times, and revisions of this store's; once more, nothing is new.
        """
        (before,) = await state.save_items([make_item(scope="other")])
        mine = _saved(3, size=10)
        nobodys = _saved(2, scope="nobody/s")
        export = export_of(history(items=mine), nobodys)

        report = await query_api.import_sessions(pieces(export, 50))
        again = await query_api.import_sessions(pieces(export))

        assert (report.items_imported, report.items_unchanged) == (5, 0)
        assert again == ImportReport(
            line_count=report.line_count, sessions_unchanged=1, items_unchanged=2
        )
        found = await state.list_items("app/user")
        assert _unnumbered(found) == [
            attrs.evolve(item, session_id="ses_1") for item in mine
        ]
        of_nobody = await state.list_items("nobody/s")
        assert _unnumbered(of_nobody) == nobodys
        revisions = [item.revision for item in (*found, *of_nobody)]
        assert len({before.revision, *revisions}) == 6
        assert min(revisions) > before.revision
        (later,) = await state.save_items(
            [found[0]], expected_revisions={("app/user", "0000"): found[0].revision}
        )
        assert later.revision > max(revisions)

    @needs(Capability.SPANS_SESSIONS)
    async def test_what_was_exported_is_imported_and_exported_again(
        self, store: SessionStore, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        Through another database the bytes are the same, whatever the revisions.
        """
        await store_session(store, "ses_1")
        for number in range(3):
            await state.save_items(
                [
                    make_item(data=number, content=b"\0\xff", session_id="ses_1"),
                    make_item(key="of none", data={"\ud800": [number, None, 1e300]}),
                ]
            )
        export, elsewhere = await exported(query_api), Elsewhere()

        await elsewhere.query_api.import_sessions(pieces(export))

        assert await exported(elsewhere.query_api) == export

    async def test_a_session_whose_item_was_changed_is_refused(
        self, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        Changed, removed or added: the error names the first item that differs.
        """
        changed, added = make_item(key="0001"), make_item(key="0000 and a half")
        for scope, key in (("c", "0001"), ("a", "0000 and a half"), ("r", "0002")):
            session = make_session(id=scope, revision=1)
            items = [attrs.evolve(item, scope=scope) for item in _saved(3)]
            export = export_of(history(session, runs=(), items=items))
            await query_api.import_sessions(pieces(export))
            if scope == "r":
                await state.delete_items(scope, keys=[key])
            else:
                other = changed if scope == "c" else added
                await state.save_items(
                    [attrs.evolve(other, scope=scope, session_id=scope)]
                )
            with pytest.raises(HistoryConflictError) as refused:
                await query_api.import_sessions(pieces(export))
            assert refused.value.session_id == scope
            assert refused.value.reason == (
                "it has other state items here:"
                f" state item {key!r} of scope {scope!r} differs"
            )

    async def test_an_item_of_no_session_with_other_content_is_refused(
        self, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        The error names it, and what differs; the time it was saved does not matter.
        """
        items = _saved(3)
        await state.save_items(items[:2])
        report = await query_api.import_sessions(pieces(export_of(items)))
        assert (report.items_imported, report.items_unchanged) == (1, 2)
        for changed, field in (
            ({"data": {"n": 2, "m": 1}}, r"data\['m'\]"),
            ({"content": b"!"}, "content"),
        ):
            await state.save_items([attrs.evolve(items[2], **changed)])
            reason = f"^state item '0002' of scope 'app/user' .* with another {field}$"
            with pytest.raises(ConflictError, match=reason):
                await query_api.import_sessions(pieces(export_of(items)))

    @needs(Capability.SPANS_SESSIONS)
    @pytest.mark.parametrize("count", [1, 30])
    async def test_an_item_of_another_is_refused(
        self, store: SessionStore, query_api: QueryAPI, state: StateStore, count: int
    ) -> None:
        """
        Another session's, or nobody's; nothing of its session is stored.

        Also if the session is so long that it would be stored in parts.
        """
        await store.save_session(make_session(id="ses_2"))
        export = export_of(history(items=_saved(count, size=100_000)))
        last = f"{count - 1:04}"
        for owner, whose in (("ses_2", "session 'ses_2'"), (None, "no session")):
            (there,) = await state.save_items([make_item(key=last, session_id=owner)])
            reason = f"state item {last!r} of scope 'app/user' belongs to {whose} here"
            with pytest.raises(HistoryConflictError, match=reason):
                await query_api.import_sessions(pieces(export))
            assert await state.list_items("app/user") == [there]
            assert len((await query_api.search_sessions()).items) == 1
        nobodys = export_of([make_item(key=last, updated_at=NOON)])
        await state.save_items([make_item(key=last, session_id="ses_2")])
        with pytest.raises(ConflictError, match="another session_id"):
            await query_api.import_sessions(pieces(nobodys))

    async def test_a_long_import_is_whole(
        self, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        However many items a session has, of however many scopes, and however large.
        """
        scopes = [
            make_item(scope=f"scope/{number:04}", updated_at=NOON)
            for number in range(1_100)
        ]
        items = [*_saved(12, size=700_000), *scopes]
        nobodys = [
            *_saved(3, scope="nobody/s", size=700_000),
            *(attrs.evolve(each, scope=f"t{each.scope}") for each in scopes),
        ]
        export = export_of(history(items=items), nobodys)

        report = await query_api.import_sessions(pieces(export))

        assert report.items_imported == len(items) + len(nobodys)
        assert len(await state.list_session_items("ses_1")) == len(items)
        assert await exported(query_api) == export
        again = await query_api.import_sessions(pieces(export))
        assert again.items_unchanged == len(nobodys)

    async def test_items_out_of_place_are_refused(
        self, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        They are the session's own, or nobody's, and stand in their order, each once.
        """
        one, two = _saved(2)
        late, foreign = history(items=[one]), history(items=[one])
        late[2:4] = late[3], late[2]
        foreign[2] = one
        lease = attrs.evolve(_LEASE, updated_at=NOON)
        refused: list[tuple[list[Sequence[ExportRecord]], str]] = [
            ([history(items=[two, one])], "line 5: state_item.key: '0000' of scope"),
            ([history(items=[one, one])], "line 5: state_item.key: '0000' of scope"),
            ([foreign], r"line 4: state_item.session_id: .*belongs to session None"),
            ([late], "line 5: record: 'state_item' is out of place"),
            ([[two, one]], "line 3: state_item.key: '0000' of scope"),
            ([[one, one]], "line 3: state_item.key: '0000' of scope"),
            (
                [[attrs.evolve(one, session_id="ses_1")]],
                "line 2: state_item.session_id",
            ),
            ([[one], history()], "line 3: record: 'session' is out of place"),
            (
                [history(items=[lease])],
                "line 4: state_item.scope: 'asm.runs/run_1' has",
            ),
            ([[lease]], "line 2: state_item.scope: 'asm.runs/run_1' has the reserved"),
            ([[make_item()]], "line 2: state_item.updated_at: expected a time"),
        ]
        for sessions, complaint in refused:
            with pytest.raises(ValidationError, match=f"^{complaint}"):
                await query_api.import_sessions(pieces(export_of(*sessions)))
            assert await _nothing(query_api, state)
        line = encode_record(one).replace(b'"revision":0', b'"revision":7')
        numbered = export_of([one]).replace(encode_record(one), line)
        with pytest.raises(ValidationError, match=r"^line 2: state_item.revision: exp"):
            await query_api.import_sessions(pieces(numbered))

    @needs(Capability.SPANS_SESSIONS)
    async def test_archived_a_session_can_be_removed(
        self, store: SessionStore, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        What was hard-deleted comes back elsewhere with its state, and closed if it was.
        """
        await store_session(store, "ses_1")
        await state.save_items(
            [make_item(key=key, data=key, session_id="ses_1") for key in "ab"]
        )
        export = await query_api.export_session("ses_1")
        deleted = attrs.evolve(
            export, session=attrs.evolve(export.session, deleted_at=NOON)
        )
        await store.delete_session("ses_1")
        assert await state.list_items("app/user") == []

        elsewhere = Elsewhere()
        await elsewhere.query_api.import_sessions(
            pieces(b"".join(encode_export([deleted])), 100)
        )

        assert await elsewhere.query_api.export_session("ses_1") == deleted
        back = await elsewhere.state.list_items("app/user")
        assert tuple(_unnumbered(back)) == export.items
        with pytest.raises(SessionDeletedError):
            await elsewhere.state.save_items(back)
