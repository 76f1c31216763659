"""
The contract suite of ``TextSearch``: every adapter passes it whole.

The author of an adapter gives one fixture, ``backend``, and takes over every class::

    import pytest_asyncio
    from asm_async.testing.text_search import *


    @pytest_asyncio.fixture
    async def backend():
        async with MyDatabase() as database:
            yield MyBackend(database)

``backend`` is a :class:`~asm_async.testing.backend.TextSearchBackend`; each test needs
one of its own, empty.
"""

from asm_async.testing.text_search.closing import TestTextSearchClosing
from asm_async.testing.text_search.filters import TestTextFilters
from asm_async.testing.text_search.hostile_queries import TestHostileQueries
from asm_async.testing.text_search.pages import TestTextPages
from asm_async.testing.text_search.queries import TestTextQueries
from asm_async.testing.text_search.random_searches import TestRandomSearches
from asm_async.testing.text_search.snippets import TestSnippets
from asm_async.testing.text_search.titles import TestTitles
from asm_async.testing.text_search.updates import TestTextUpdates
from asm_async.testing.text_search.visibility import TestTextVisibility

__all__ = [
    "TestHostileQueries",
    "TestRandomSearches",
    "TestSnippets",
    "TestTextFilters",
    "TestTextPages",
    "TestTextQueries",
    "TestTextSearchClosing",
    "TestTextUpdates",
    "TestTextVisibility",
    "TestTitles",
]
