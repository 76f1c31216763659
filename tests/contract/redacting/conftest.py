"""
Stores behind a redacting one.
"""

from __future__ import annotations

import pytest

from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.redaction import (
    RedactingSessionStore,
    RedactingStateStore,
    RedactionPolicy,
)
from tests.backends import InMemoryBackend
from tests.effort import IS_THOROUGH


class RedactingBackend(InMemoryBackend):
    """
    Stores that redact what goes into the one database.

    Args:
        policy: What they replace.
    """

    def __init__(self, policy: RedactionPolicy) -> None:
        super().__init__()
        self._policy = policy

    async def open_store(self) -> SessionStore:
        """
        Open another store behind a redacting one.
        """
        return RedactingSessionStore(await super().open_store(), self._policy)

    async def open_state_store(self) -> StateStore:
        """
        Open another state store behind a redacting one.
        """
        return RedactingStateStore(await super().open_state_store(), self._policy)


# One that has nothing to look for is passed over, which a thorough run proves.
_POLICIES = {
    "matching_nothing": RedactionPolicy(
        keys=["password"], patterns=[r"sk-[0-9a-f]{32}"]
    ),
    **({"empty": RedactionPolicy()} if IS_THOROUGH else {}),
}


@pytest.fixture(params=[*_POLICIES.values()], ids=[*_POLICIES])
def backend(request: pytest.FixtureRequest) -> RedactingBackend:
    """
    Return a backend whose policy replaces nothing of what the suite stores.
    """
    return RedactingBackend(request.param)
