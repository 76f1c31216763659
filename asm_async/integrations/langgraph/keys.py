"""
Under which keys a thread's items stand in its scope.

``h/<namespace>`` names the namespace's latest checkpoint,
``c/<namespace>/<checkpoint>/`` is a checkpoint, and what begins with that a write that
is pending on it; ``v/<namespace>/<channel>/<version>`` is the value of a channel, and
``e/<digest>`` a part of values.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from urllib.parse import quote

EPOCH = "epoch"
"""
Replaced whenever values are swept: who relies on one that is there expects its
revision.
"""

NAMESPACES = "namespaces"
"""
Replaced by who is about to write to a namespace of which it knows no checkpoint.
"""

HEADS = "h/"
CHECKPOINTS = "c/"
VALUES = "v/"
PARTS = "e/"

_MAX_PART = 240
_LEFT_AS_THEY_ARE = " !$&'()*+,:;=@|"


def head(namespace: str) -> str:
    """
    Return the key of the item that names a namespace's latest checkpoint.
    """
    return f"{HEADS}{_part(namespace)}"


def checkpoints(namespace: str) -> str:
    """
    Return what the keys of a namespace's checkpoints, and of their writes, begin with.
    """
    return f"{CHECKPOINTS}{_part(namespace)}/"


def checkpoint(namespace: str, checkpoint_id: str) -> str:
    """
    Return the key of a checkpoint, with which those of its writes begin.
    """
    return f"{checkpoints(namespace)}{_part(checkpoint_id)}/"


def write(namespace: str, checkpoint_id: str, task_id: str, index: int) -> str:
    """
    Return the key of a pending write.
    """
    return f"{checkpoint(namespace, checkpoint_id)}{_part(task_id)}/{index}"


def owner(key: str) -> str:
    """
    Return the key of the checkpoint that a key of it, or of one of its writes, is of.
    """
    return "/".join(key.split("/", 3)[:3]) + "/"


def value(namespace: str, channel: str, version: object) -> str:
    """
    Return the key of the value that a channel has at a version.
    """
    return f"{VALUES}{_part(namespace)}/{_part(channel)}/{_part(str(version))}"


def part(digest: bytes) -> str:
    """
    Return the key of a part of values.
    """
    return f"{PARTS}{digest.hex()}"


@lru_cache(maxsize=4_096)
def _part(text: str) -> str:
    encoded = quote(text.encode("utf-8", "surrogatepass"), safe=_LEFT_AS_THEY_ARE)
    if len(encoded) <= _MAX_PART:
        return encoded
    # What is percent-encoded never has a dot behind the percent sign.
    return f"%.{hashlib.sha256(encoded.encode('ascii')).hexdigest()}"
