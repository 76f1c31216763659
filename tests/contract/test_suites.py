"""
The suites that are shipped are whole.
"""

from __future__ import annotations

import importlib
import pkgutil

from asm_async.testing import session_store


def test_a_suite_gives_all_its_classes() -> None:
    """
    Whoever imports everything from a suite gets the test classes of all its modules.
    """
    found = [
        name
        for module in pkgutil.iter_modules(session_store.__path__)
        for name in importlib.import_module(
            f"{session_store.__name__}.{module.name}"
        ).__all__
        if name.startswith("Test")
    ]

    assert sorted(found) == sorted(session_store.__all__)
