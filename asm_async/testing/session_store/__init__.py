"""
The contract suite of ``SessionStore``: every adapter passes it whole.

The author of an adapter gives one fixture, ``backend``, and takes over every class::

    import pytest_asyncio
    from asm_async.testing.session_store import *


    @pytest_asyncio.fixture
    async def backend():
        async with MyDatabase() as database:
            yield MyBackend(database)

``backend`` is a :class:`~asm_async.testing.backend.SessionStoreBackend`; each test
needs one of its own, empty.
"""

from asm_async.testing.session_store.appends import TestAppends
from asm_async.testing.session_store.cancellations import TestCancellations
from asm_async.testing.session_store.closing import TestClosing
from asm_async.testing.session_store.commits import TestCommits
from asm_async.testing.session_store.contention import TestContention
from asm_async.testing.session_store.copies import TestCopies
from asm_async.testing.session_store.deletions import TestDeletions, TestPruning
from asm_async.testing.session_store.expected_flushes import TestExpectedFlushes
from asm_async.testing.session_store.expected_revisions import TestExpectedRevisions
from asm_async.testing.session_store.expected_sequences import TestExpectedSequences
from asm_async.testing.session_store.fidelity import TestFidelity
from asm_async.testing.session_store.flushes import TestFlushes
from asm_async.testing.session_store.idempotence import TestIdempotence
from asm_async.testing.session_store.isolation import TestIsolation
from asm_async.testing.session_store.operation_ids import TestOperationIds
from asm_async.testing.session_store.partial_flushes import TestPartialFlushes
from asm_async.testing.session_store.races import TestRaces
from asm_async.testing.session_store.reads import TestReads
from asm_async.testing.session_store.refusals import TestRefusals
from asm_async.testing.session_store.retractions import TestRetractions
from asm_async.testing.session_store.runs import TestRuns
from asm_async.testing.session_store.session_lists import TestSessionLists
from asm_async.testing.session_store.sessions import TestSessions
from asm_async.testing.session_store.soft_deletions import TestSoftDeletions
from asm_async.testing.session_store.tenants import TestExpectedTenants
from asm_async.testing.session_store.updates import TestUpdates
from asm_async.testing.session_store.visible_events import TestVisibleEvents
from asm_async.testing.session_store.waiting import TestWaiting

__all__ = [
    "TestAppends",
    "TestCancellations",
    "TestClosing",
    "TestCommits",
    "TestContention",
    "TestCopies",
    "TestDeletions",
    "TestExpectedFlushes",
    "TestExpectedRevisions",
    "TestExpectedSequences",
    "TestExpectedTenants",
    "TestFidelity",
    "TestFlushes",
    "TestIdempotence",
    "TestIsolation",
    "TestOperationIds",
    "TestPartialFlushes",
    "TestPruning",
    "TestRaces",
    "TestReads",
    "TestRefusals",
    "TestRetractions",
    "TestRuns",
    "TestSessionLists",
    "TestSessions",
    "TestSoftDeletions",
    "TestUpdates",
    "TestVisibleEvents",
    "TestWaiting",
]
