"""
The contract suite of ``StateStore``.

The author of an adapter gives the fixture ``backend``, a
:class:`~asm_async.testing.backend.StateStoreBackend`, and takes over the classes::

    import pytest
    from asm_async.testing.state_store import *


    @pytest.fixture
    def backend():
        return MyBackend()
"""

from asm_async.testing.state_store.item_cancellations import TestItemCancellations
from asm_async.testing.state_store.item_closing import TestItemClosing
from asm_async.testing.state_store.item_commits import TestItemCommits
from asm_async.testing.state_store.item_copies import TestItemCopies
from asm_async.testing.state_store.item_deletions import TestItemDeletions
from asm_async.testing.state_store.item_expectations import TestItemExpectations
from asm_async.testing.state_store.item_lists import TestItemLists
from asm_async.testing.state_store.item_races import TestItemRaces
from asm_async.testing.state_store.item_refusals import TestItemRefusals
from asm_async.testing.state_store.item_saves import TestItemSaves
from asm_async.testing.state_store.item_session_lists import TestItemSessionLists
from asm_async.testing.state_store.item_sessions import TestItemSessions

__all__ = [
    "TestItemCancellations",
    "TestItemClosing",
    "TestItemCommits",
    "TestItemCopies",
    "TestItemDeletions",
    "TestItemExpectations",
    "TestItemLists",
    "TestItemRaces",
    "TestItemRefusals",
    "TestItemSaves",
    "TestItemSessionLists",
    "TestItemSessions",
]
