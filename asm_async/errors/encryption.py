"""
What is stored encrypted cannot be read, or written, with the keys that there are.
"""

from __future__ import annotations

from asm_async.errors.base import Argument
from asm_async.errors.conflicts import ConflictError
from asm_async.errors.storage import UnreadableValueError


class DecryptionError(UnreadableValueError):
    """
    A key is missing, or the master key is another one than it was wrapped by.

    What is stored may be sound: nothing can be said of it without the right key.
    """

    code = "decryption_failed"


class TamperedError(DecryptionError):
    """
    A stored value is not what was written in its place: altered, cut, or swapped.
    """

    code = "tampered"


class KeyDroppedError(ConflictError):
    """
    The key was dropped, by which all that it covered is erased; it never comes back.
    """

    code = "key_dropped"
    _TEXT = "the key of {} was dropped: what it covered is erased, and nothing is added"

    def __init__(self, owner: str) -> None:
        super().__init__(owner)

    owner: Argument[str] = Argument(0)
    """
    What the key covered, such as ``session 'ses_1'``.
    """
