from __future__ import annotations

import inspect
import re

from claude_agent_sdk.testing import (
    run_session_store_conformance,
    session_store_conformance,
)

from asm_async import Ports
from asm_async.integrations.claude_agent import AsmSessionStore

CONTRACTS = 14
OPTIONAL = ["list_sessions", "list_session_summaries", "delete", "list_subkeys"]


async def test_the_frameworks_own_contracts_hold(ports: Ports) -> None:
    """
    All 14 contracts hold, none of which is left out for a method that is not there.
    """
    source = inspect.getsource(session_store_conformance)
    numbers = {
        int(number) for number in re.findall(r"^ +# (\d+)\. ", source, re.MULTILINE)
    }
    assert numbers == set(range(1, CONTRACTS + 1))
    assert all(name in vars(AsmSessionStore) for name in OPTIONAL)
    made = 0

    async def make_store() -> AsmSessionStore:
        nonlocal made
        made += 1
        for session in await ports.store.list_sessions():
            await ports.store.delete_session(session.id)
        return AsmSessionStore(ports)

    await run_session_store_conformance(make_store)

    # Once to see what it can do, and once for each contract.
    assert made == 1 + CONTRACTS
