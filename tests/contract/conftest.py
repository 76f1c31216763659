"""
What an ordinary run takes of the contract suites; ``nox -s thorough`` runs them whole.

Each suite runs whole over memory, an SQLite file and PostgreSQL. What differs from them
in one thing runs the classes of tests that this could be seen in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.effort import IS_THOROUGH

HERE = Path(__file__).parent

OF_SQLITE_IN_MEMORY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "test_artifacts": frozenset(
            {"TestCommittedArtifacts", "TestRegistrationRaces"}
        ),
        "test_maintenance": frozenset(
            {"TestErasedFamilies", "TestExecution", "TestHealth", "TestMaintainers"}
        ),
        "test_query_api": frozenset(
            {
                "TestActivity",
                "TestExports",
                "TestImports",
                "TestOtherHistories",
                "TestSessionExports",
            }
        ),
        "test_text_search": frozenset(
            {"TestTextPages", "TestTextSearchClosing", "TestTextUpdates"}
        ),
    }
)
"""
The classes that SQLite in memory runs of a module: those whose calls overlap or leave
something open.

Its statements are those of a file; all that differs is that they share one connection.
Of modules that do not stand here it runs all.
"""

CHOSEN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "large_data": frozenset(
            {
                "TestAppends",
                "TestArtifactTransfers",
                "TestBackgroundWrites",
                "TestCommits",
                "TestCopies",
                "TestEventSearches",
                "TestExports",
                "TestFeedFollowing",
                "TestFidelity",
                "TestFlushes",
                "TestIdempotence",
                "TestImportRefusals",
                "TestImports",
                "TestItemCommits",
                "TestItemCopies",
                "TestItemExpectations",
                "TestItemLists",
                "TestItemSaves",
                "TestItemSessionLists",
                "TestItemTransfers",
                "TestOperationIds",
                "TestOtherHistories",
                "TestPartialFlushes",
                "TestReads",
                "TestRecordedSessions",
                "TestRetractions",
                "TestRunSearches",
                "TestRunSteps",
                "TestRuns",
                "TestSessionExports",
                "TestSessionFollowing",
                "TestSessionSearches",
                "TestSessions",
                "TestTransferredRetractions",
                "TestUpdates",
                "TestVisibleEvents",
            }
        ),
        "portal": frozenset(
            {
                "TestAppends",
                "TestCancellations",
                "TestClosing",
                "TestCommits",
                "TestContention",
                "TestCopies",
                "TestDeletions",
                "TestFidelity",
                "TestFlushes",
                "TestItemCancellations",
                "TestItemClosing",
                "TestItemRaces",
                "TestItemRefusals",
                "TestItemSaves",
                "TestItemSessionLists",
                "TestRaces",
                "TestReads",
                "TestRefusals",
                "TestRetractions",
                "TestSessionLists",
                "TestTextSearchClosing",
                "TestTextUpdates",
                "TestUpdates",
                "TestWaiting",
            }
        ),
    }
)
"""
The classes that a folder runs: a coder, those whose JSON is stored or comes back; a
portal, each method once, and what is cancelled, closed or waited for.
"""

SEEDS = 2
"""
How many random searches are tried; the suite has six.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave out the other classes.
    """
    if not IS_THOROUGH:
        items[:] = [item for item in items if not _is_left_out(item)]


def _is_left_out(item: pytest.Item) -> bool:
    if not (isinstance(item, pytest.Function) and item.cls is not None):
        return False
    chosen: frozenset[str] | None = None
    if item.path.parent == HERE:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        is_random = item.cls.__name__ == "TestRandomSearches"
        if is_random and parameters["seed"] not in range(SEEDS):
            return True
        if parameters.get("database_url") == "sqlite_memory":
            chosen = OF_SQLITE_IN_MEMORY.get(item.path.stem)
    elif item.path.parent.parent == HERE:
        chosen = CHOSEN.get(item.path.parent.name)
    return chosen is not None and item.cls.__name__ not in chosen
