"""
Titles of sessions that their source does not name.
"""

from __future__ import annotations

_MAX_LENGTH = 100


def title_of(prompt: str) -> str | None:
    """
    Return the first line of what was asked first, at most 100 characters of it.
    """
    for line in prompt.splitlines():
        if text := " ".join(line.split()):
            is_short = len(text) <= _MAX_LENGTH
            return text if is_short else text[: _MAX_LENGTH - 1] + "…"
    return None
