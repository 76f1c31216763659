"""
A Hypothesis state machine: every operation of all ports, in any order.

The author of an adapter says how its database is opened, and runs the machine::

    @asynccontextmanager
    async def open_ports(clock):
        async with MyDatabase() as database:
            yield Ports(session_store=MyStore(database))


    def test_my_store_does_what_the_one_in_memory_does():
        run_state_machine_as_test(state_machine(open_ports))

Hypothesis shrinks what goes wrong to the few calls it takes.
"""

from asm_async.testing.state_machine.machine import state_machine
from asm_async.testing.state_machine.ports import Clock, OpenPorts, Ports

__all__ = ["Clock", "OpenPorts", "Ports", "state_machine"]
