"""
Where a session's title is.
"""

from __future__ import annotations

from collections.abc import Mapping


def title_in(metadata: Mapping[str, object]) -> str:
    """
    Return the title that a session's metadata has; an empty text if it has none.

    It is the member ``title``, or else ``name``, as it was stored.
    """
    for name in ("title", "name"):
        if isinstance(text := metadata.get(name), str) and text.strip():
            return text
    return ""
