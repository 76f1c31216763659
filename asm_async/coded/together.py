"""
All ports of a database, coded.
"""

from __future__ import annotations

from asm_async.coded.artifact_registry import CodedArtifactRegistry
from asm_async.coded.coder import Coder
from asm_async.coded.event_feed import CodedEventFeed
from asm_async.coded.maintenance import CodedMaintenance
from asm_async.coded.query_api import CodedQueryAPI
from asm_async.coded.session_store import CodedSessionStore
from asm_async.coded.state_store import CodedStateStore
from asm_async.ports.together import Ports
from asm_async.values import fields


def coded_ports(ports: Ports, coder: Coder) -> Ports:
    """
    Return ports in front of others, whose values are stored in another form.

    Whatever takes ports works with these as with others: recorders, transcripts, HTTP,
    the console and the frameworks' adapters. Ports that are coded already may be coded
    again: what is called first encodes first and decodes last.

    Args:
        ports: Where the values go; closed with these.

        coder: Encodes them, and decodes them again.

    Raises:
        ValidationError: If *ports* or *coder* is something else.
    """
    ports = fields.instance(ports, "ports", Ports)
    return Ports(
        store=CodedSessionStore(ports.store, coder),
        state=CodedStateStore(ports.state, coder),
        query=CodedQueryAPI(ports.query, coder),
        maintenance=CodedMaintenance(ports.maintenance, coder),
        feed=CodedEventFeed(ports.feed, coder),
        artifacts=CodedArtifactRegistry(ports.artifacts, coder),
    )
