"""
The machine that has the rules of all ports.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from asm_async.testing.state_machine.artifact_rules import ArtifactRules
from asm_async.testing.state_machine.maintenance_rules import MaintenanceRules
from asm_async.testing.state_machine.ports import Clock, OpenPorts, Ports
from asm_async.testing.state_machine.query_rules import QueryRules
from asm_async.testing.state_machine.session_store_rules import SessionStoreRules
from asm_async.testing.state_machine.state_store_rules import StateStoreRules
from asm_async.testing.state_machine.twins import TwinMachine

__all__ = ["state_machine"]


def state_machine(open_ports: OpenPorts) -> type[TwinMachine]:
    """
    Make the machine that puts a database to the test.

    It does whatever the ports can do, in random order, to that database and to one in
    memory, and demands of both the same results, the same errors (type and args) and,
    in the end, the same contents.

    Args:
        open_ports: Opens the database, empty, once for each run of the machine.

    Returns:
        A machine for ``hypothesis.stateful.run_state_machine_as_test``.
    """

    class Machine(
        SessionStoreRules,
        StateStoreRules,
        QueryRules,
        MaintenanceRules,
        ArtifactRules,
    ):
        """
        All rules, over that database.
        """

        def open_ports(self, clock: Clock) -> AbstractAsyncContextManager[Ports]:
            """
            Open the database that is put to the test.
            """
            return open_ports(clock)

    return Machine
