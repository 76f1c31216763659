"""
How many examples the tests of properties try.

An ordinary run tries a quarter of them, the same each time, so that it fails for what
was changed; the nox session ``thorough`` tries all, which are others each time.
"""

from __future__ import annotations

import os

__all__ = ["IS_THOROUGH", "examples"]

IS_THOROUGH: bool = os.environ.get("ASM_TEST_EXAMPLES") == "all"


def examples(number: int) -> int:
    """
    Return how many examples a test tries that tries so many in a thorough run.
    """
    return number if IS_THOROUGH else max(1, number // 4)
