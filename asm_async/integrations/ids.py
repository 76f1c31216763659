"""
Valid ids and scopes for the ids of frameworks.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from asm_async.errors import ValidationError
from asm_async.values import fields

__all__ = ["safe_id"]

MAX_LENGTH = 255
"""
How many characters an id or a scope has at most.
"""

_LEFT_AS_THEY_ARE = " !$&'()*+,:;=@"


def safe_id(prefix: str, *parts: str) -> str:
    """
    Return a valid id for what a framework names by *parts*.

    It can be read, ``prefix/part/part`` with what is not printable ASCII, and ``/``,
    percent-encoded (RFC 3986), where that is short enough; else it is
    ``prefix.digest``, with SHA-256 over the parts. Different parts have different ids:
    a prefix has no ``/`` in it, so that no readable id is like one with a digest.

    Args:
        prefix: Whose ids they are, such as ``"langgraph"``.

        parts: At least one; any text, also empty, long, and of any characters.

    Raises:
        ValidationError: If a part is no text, or there is none.
    """
    if not parts:
        raise ValidationError("parts: expected at least one")
    texts = [
        fields.instance(part, f"parts[{index}]", str)
        for index, part in enumerate(parts)
    ]
    # Lone surrogates are text to some frameworks, and are kept apart like all else.
    encoded = [
        quote(part.encode("utf-8", "surrogatepass"), safe=_LEFT_AS_THEY_ARE)
        for part in texts
    ]
    readable = "/".join([prefix, *encoded])
    if len(readable) <= MAX_LENGTH:
        return readable
    digest = hashlib.sha256("/".join(encoded).encode("ascii")).hexdigest()
    return f"{prefix}.{digest}"
