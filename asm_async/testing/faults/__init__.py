"""
Misfortune on purpose: what fails, is cut, stalls or is cancelled at a chosen moment.
"""

from asm_async.testing.faults.fault_points import (
    Act,
    Fault,
    FaultPoints,
    Hold,
    Point,
    cut,
    failing,
)
from asm_async.testing.faults.interruption import (
    Interrupted,
    act_at,
    cancel_at,
    count_awaits,
    time_out_at,
)
from asm_async.testing.faults.moment import Moment
from asm_async.testing.faults.relays import Direction, ProxyAct, ProxyFault
from asm_async.testing.faults.tcp_proxy import TCPProxy
from asm_async.testing.faults.watched_asyncpg import watch_asyncpg
from asm_async.testing.faults.watched_sqlite import watched_sqlite

__all__ = [
    "Act",
    "Direction",
    "Fault",
    "FaultPoints",
    "Hold",
    "Interrupted",
    "Moment",
    "Point",
    "ProxyAct",
    "ProxyFault",
    "TCPProxy",
    "act_at",
    "cancel_at",
    "count_awaits",
    "cut",
    "failing",
    "time_out_at",
    "watch_asyncpg",
    "watched_sqlite",
]
