"""
Ports that redact what goes into others.
"""

from __future__ import annotations

from asm_async.coded import CodedSessionStore, CodedStateStore, coded_ports
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.together import Ports
from asm_async.redaction.coder import RedactingCoder
from asm_async.values.redaction import RedactionPolicy


def redacting_ports(ports: Ports, policy: RedactionPolicy) -> Ports:
    """
    Return ports in front of others, that redact all that is written, imports too.

    Args:
        ports: Where the values go; closed with these.

        policy: What to leave out.

    Raises:
        ValidationError: If *ports* or *policy* is something else.
    """
    return coded_ports(ports, RedactingCoder(policy))


class RedactingSessionStore(CodedSessionStore):
    """
    A :class:`~asm_async.ports.session_store.SessionStore` in front of another one.

    Values are redacted before they are written, and reads return the stored values. The
    JSON fields are redacted: a session's *metadata* and *context*, a run's *input*,
    *output*, *error*, *metadata*, *token_usage* and *provider_metadata*, an event's
    *data* and *metadata*. Ids, tags and the other fields that values are searched by
    are stored as they are.

    Every promise of the port holds as before. The same value gives the same redacted
    value, so that a call may be repeated; under another policy than the first time, or
    none, it is a call with other content.

    Args:
        store: Where the values go; closed with this one.

        policy: What to leave out.

    Raises:
        ValidationError: If *store* or *policy* is something else.
    """

    def __init__(self, store: SessionStore, policy: RedactionPolicy) -> None:
        super().__init__(store, RedactingCoder(policy))


class RedactingStateStore(CodedStateStore):
    """
    A :class:`~asm_async.ports.state_store.StateStore` in front of another one.

    Values are redacted before they are written, and reads return the stored values.
    Only an item's *data* is redacted. Its *content* is opaque, and is stored as it is;
    so are scopes and keys, by which items are found.

    Every promise of the port holds as before. The same value gives the same redacted
    value, so that a call may be repeated.

    Args:
        state: Where the items go; closed with this one.

        policy: What to leave out.

    Raises:
        ValidationError: If *state* or *policy* is something else.
    """

    def __init__(self, state: StateStore, policy: RedactionPolicy) -> None:
        super().__init__(state, RedactingCoder(policy))
