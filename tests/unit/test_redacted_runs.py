"""
Runs that are recorded through a redacting store.
"""

from __future__ import annotations

from asm_async import InMemoryPorts
from asm_async.recording import record_run, recover_interrupted_runs
from asm_async.redaction import SECRETS, RedactingSessionStore, RedactionPolicy
from asm_async.testing.factories import make_session
from asm_async.testing.recording.contract import standing_still
from asm_async.values.run import RunStatus

DATES = r"\d{4}-\d{2}-\d{2}"


async def test_a_run_is_recorded_and_recovered_whatever_is_redacted() -> None:
    """
    What a policy replaces in the run is replaced, and the lease still says its time.
    """
    ports = InMemoryPorts()
    policy = RedactionPolicy(patterns=[*SECRETS, DATES])
    store = RedactingSessionStore(ports.store, policy)
    session = await store.save_session(make_session())

    async with record_run(store, session, input="born 2001-02-03") as run:
        sent = await run.message_sent("born 2001-02-03")
    async with standing_still(store, session, exclusive=True) as dead:
        report = await recover_interrupted_runs(ports)
    ended = await store.get_run(run.id)

    assert (ended.status, ended.input) == (RunStatus.COMPLETED, "born [redacted]")
    assert sent.data["content"] == "born [redacted]"
    assert [each.id for each in report.ended] == [dead.id]
