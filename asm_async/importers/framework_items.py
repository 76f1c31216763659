"""
State items in the scopes of frameworks, which the frameworks themselves may change.
"""

from __future__ import annotations

import hashlib

from asm_async.importers.names import digest_of, items_scope
from asm_async.values.state_item import StateItem

_PREFIX = "saved/"


def mark_of(session_id: str, item: StateItem) -> StateItem:
    """
    Return the item that remembers with which content an import has saved another one.

    An item that still has that content was changed by nobody, so that a later import
    may replace it.

    Args:
        session_id: The session that came with it.

        item: What is saved.
    """
    content = hashlib.sha256(item.content or b"").hexdigest()
    return StateItem(
        scope=items_scope(session_id),
        key=_PREFIX + digest_of([item.scope, item.key]),
        data={"digest": digest_of([item.data, content])},
        session_id=session_id,
    )
