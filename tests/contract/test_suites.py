"""
The suites that are shipped are whole.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

from asm_async.testing import (
    artifacts,
    event_feed,
    maintenance,
    query_api,
    recording,
    session_store,
    state_store,
    text_search,
)
from tests.contract.conftest import CHOSEN, OF_SQLITE_IN_MEMORY

SUITES = (
    artifacts,
    event_feed,
    maintenance,
    query_api,
    recording,
    session_store,
    state_store,
    text_search,
)


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_gives_all_its_classes(suite: ModuleType) -> None:
    """
    Whoever imports everything from a suite gets the test classes of all its modules.
    """
    found = [
        name
        for module in pkgutil.iter_modules(suite.__path__)
        for name in importlib.import_module(f"{suite.__name__}.{module.name}").__all__
        if name.startswith("Test")
    ]

    assert sorted(found) == sorted(suite.__all__)


def test_a_selection_of_a_suite_names_its_classes() -> None:
    """
    What an ordinary run leaves to a thorough one is chosen by names that are there.
    """
    known = {name for suite in SUITES for name in suite.__all__}

    for chosen in (*CHOSEN.values(), *OF_SQLITE_IN_MEMORY.values()):
        assert chosen - known == set()
