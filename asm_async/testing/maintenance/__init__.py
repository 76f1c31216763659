"""
The contract suite of ``Maintenance``: every adapter passes it whole.

The author of an adapter gives one fixture, ``backend``, and takes over every class::

    import pytest_asyncio
    from asm_async.testing.maintenance import *


    @pytest_asyncio.fixture
    async def backend():
        async with MyDatabase() as database:
            yield MyBackend(database)

``backend`` is a :class:`~asm_async.testing.backend.MaintenanceBackend`; each test needs
one of its own, empty.
"""

from asm_async.testing.maintenance.deletions import TestSoftDeletion
from asm_async.testing.maintenance.erased_contents import (
    TestErasedContents,
    TestInterruptedErasures,
)
from asm_async.testing.maintenance.erased_families import TestErasedFamilies
from asm_async.testing.maintenance.erasures import TestErasures, TestWrongErasures
from asm_async.testing.maintenance.execution import TestExecution, TestRefusals
from asm_async.testing.maintenance.expiry import TestExpiry
from asm_async.testing.maintenance.health import TestHealth
from asm_async.testing.maintenance.maintainers import TestMaintainers
from asm_async.testing.maintenance.prunings import TestSessionPruning, TestTotalPruning
from asm_async.testing.maintenance.removals import TestArchiving, TestRemoval
from asm_async.testing.maintenance.retractions import TestPrunedRetractions

__all__ = [
    "TestArchiving",
    "TestErasedContents",
    "TestErasedFamilies",
    "TestErasures",
    "TestExecution",
    "TestExpiry",
    "TestHealth",
    "TestInterruptedErasures",
    "TestMaintainers",
    "TestPrunedRetractions",
    "TestRefusals",
    "TestRemoval",
    "TestSessionPruning",
    "TestSoftDeletion",
    "TestTotalPruning",
    "TestWrongErasures",
]
