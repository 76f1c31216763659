"""
Where a page of state items begins: behind a scope and a key.
"""

from __future__ import annotations

import base64
import json

from asm_async.errors import InvalidCursorError, ValidationError
from asm_async.values.json_values import encode_json
from asm_async.values.state_item import StateItem, item_name


def cursor_of_item(item: StateItem) -> str:
    """
    Return the cursor of the page that begins behind *item*.
    """
    text = encode_json([item.scope, item.key])
    return base64.urlsafe_b64encode(text.encode()).decode()


def item_of_cursor(cursor: str) -> tuple[str, str]:
    """
    Return the scope and the key that :func:`cursor_of_item` was given.

    Raises:
        InvalidCursorError: If it has made no such cursor.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor))
        return item_name(tuple(found), "cursor")
    except (ValueError, TypeError, RecursionError, ValidationError):
        raise InvalidCursorError("cursor: it is of no page of state items") from None
