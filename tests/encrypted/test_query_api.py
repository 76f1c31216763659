"""
A query API behind an encrypting one keeps every promise of the port.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.errors import ConflictError, HistoryConflictError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.factories import make_item, make_session
from asm_async.testing.query_api import *  # noqa: F403 - the suite is run whole
from asm_async.testing.query_api import item_transfers
from asm_async.testing.query_api.transfer import export_of, history, pieces
from asm_async.values.state_item import StateItem

# Another one is run in its place, below.
del TestItemTransfers  # noqa: F821 - the suite has it


def _items(count: int, **fields: object) -> list[StateItem]:
    return [
        make_item(key=f"{number:04}", updated_at=make_session().created_at, **fields)
        for number in range(count)
    ]


class TestEncryptedItemTransfers(item_transfers.TestItemTransfers):
    """
    An import compares what is stored: it names an item, not what differs in its data.
    """

    async def test_an_item_of_no_session_with_other_content_is_refused(
        self, query_api: QueryAPI, state: StateStore
    ) -> None:
        """
        The error names it.
        """
        items = _items(3)
        await state.save_items(items[:2])
        report = await query_api.import_sessions(pieces(export_of(items)))
        assert (report.items_imported, report.items_unchanged) == (1, 2)
        for changed in ({"data": 2}, {"content": b"!"}):
            await state.save_items([attrs.evolve(items[2], **changed)])
            reason = r"^state item '0002' of scope 'app/user' .* with another data"
            with pytest.raises(ConflictError, match=reason):
                await query_api.import_sessions(pieces(export_of(items)))

    @pytest.mark.parametrize("count", [1, 30])
    async def test_an_item_of_another_is_refused(
        self, store: SessionStore, query_api: QueryAPI, state: StateStore, count: int
    ) -> None:
        """
        Another session's, or nobody's; nothing of its session is stored.
        """
        await store.save_session(make_session(id="ses_2"))
        items = _items(count, session_id="ses_1", data="x" * 100_000)
        export = export_of(history(items=items))
        last = f"{count - 1:04}"
        for owner in ("ses_2", None):
            (there,) = await state.save_items([make_item(key=last, session_id=owner)])
            with pytest.raises(HistoryConflictError, match=f"state item {last!r} of"):
                await query_api.import_sessions(pieces(export))
            assert await state.list_items("app/user") == [there]
            assert len((await query_api.search_sessions()).items) == 1
