"""
What all parts of the suite stand on: a store that is written to, and a query API.
"""

from __future__ import annotations

import pytest_asyncio

from asm_async.ports.query_api import QueryAPI
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["QueryAPIContract", "ids_of"]


class QueryAPIContract(SessionStoreContract):
    """
    One part of the suite; its ``backend`` is a :class:`QueryAPIBackend`.

    What the store has acknowledged, the query API finds.
    """

    @pytest_asyncio.fixture
    async def query_api(
        self, backend: QueryAPIBackend, open_store: OpenStore
    ) -> QueryAPI:
        """
        Open the query API that is put to the test.

        It is done with before *open_store* proves that nothing was left behind.
        """
        del open_store
        return await backend.open_query_api()


def ids_of(page: Page[Session] | Page[Run] | Page[Event]) -> list[str]:
    """
    Return the ids of what is on a page, in order.
    """
    return [item.id for item in page.items]
