"""
Every search for text keeps every promise of the port.
"""

import pytest

from asm_async.testing.text_search import *  # noqa: F403 - the suite is run whole
from tests.backends import InMemoryBackend


@pytest.fixture
def backend() -> InMemoryBackend:
    """
    Return the one backend that can search.
    """
    return InMemoryBackend()
