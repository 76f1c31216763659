"""
The contract suite of ``QueryAPI``: every adapter passes it whole.

The author of an adapter gives one fixture, ``backend``, and takes over every class::

    import pytest_asyncio
    from asm_async.testing.query_api import *


    @pytest_asyncio.fixture
    async def backend():
        async with MyDatabase() as database:
            yield MyBackend(database)

``backend`` is a :class:`~asm_async.testing.backend.QueryAPIBackend`; each test needs
one of its own, empty.
"""

from asm_async.testing.query_api.activity import TestActivity
from asm_async.testing.query_api.artifact_transfers import TestArtifactTransfers
from asm_async.testing.query_api.costs import TestCosts, TestPrices
from asm_async.testing.query_api.cursors import TestCursors
from asm_async.testing.query_api.event_searches import TestEventSearches
from asm_async.testing.query_api.exports import TestExports
from asm_async.testing.query_api.import_refusals import TestImportRefusals
from asm_async.testing.query_api.imports import TestImports
from asm_async.testing.query_api.item_transfers import TestItemTransfers
from asm_async.testing.query_api.last_numbers import TestLastNumbers
from asm_async.testing.query_api.other_histories import TestOtherHistories
from asm_async.testing.query_api.pages import TestPages
from asm_async.testing.query_api.retractions import TestTransferredRetractions
from asm_async.testing.query_api.run_searches import TestRunSearches
from asm_async.testing.query_api.search_refusals import TestSearchRefusals
from asm_async.testing.query_api.session_exports import TestSessionExports
from asm_async.testing.query_api.session_searches import TestSessionSearches
from asm_async.testing.query_api.session_stats import TestSessionStats
from asm_async.testing.query_api.tenants import TestTenants
from asm_async.testing.query_api.token_costs import TestTokenCosts
from asm_async.testing.query_api.usage import TestUsage
from asm_async.testing.query_api.usage_groups import TestUsageGroups
from asm_async.testing.query_api.usage_over_time import TestUsageOverTime
from asm_async.testing.query_api.users import TestUsers

__all__ = [
    "TestActivity",
    "TestArtifactTransfers",
    "TestCosts",
    "TestCursors",
    "TestEventSearches",
    "TestExports",
    "TestImportRefusals",
    "TestImports",
    "TestItemTransfers",
    "TestLastNumbers",
    "TestOtherHistories",
    "TestPages",
    "TestPrices",
    "TestRunSearches",
    "TestSearchRefusals",
    "TestSessionExports",
    "TestSessionSearches",
    "TestSessionStats",
    "TestTenants",
    "TestTokenCosts",
    "TestTransferredRetractions",
    "TestUsage",
    "TestUsageGroups",
    "TestUsageOverTime",
    "TestUsers",
]
