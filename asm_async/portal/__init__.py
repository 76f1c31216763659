"""
Ports for any thread and any event loop, and for programs without asyncio.
"""

from asm_async.portal.open_portal import open_adapter, open_portal
from asm_async.portal.portal import Portal, PortalPorts
from asm_async.portal.ports_runner import PortsRunner
from asm_async.portal.ports_thread import PortsFactory

__all__ = [
    "Portal",
    "PortalPorts",
    "PortsFactory",
    "PortsRunner",
    "open_adapter",
    "open_portal",
]
