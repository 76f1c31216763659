"""
A writer that cannot delete keeps every promise of a session store.
"""

import pytest

from asm_async.testing.session_store import *  # noqa: F403 - the suite is run whole

pytestmark = pytest.mark.postgres
