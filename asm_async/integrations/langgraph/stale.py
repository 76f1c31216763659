"""
The error of the second of two writers.
"""

from __future__ import annotations

from asm_async.errors import ConflictError
from asm_async.errors.base import Argument


class StaleCheckpointError(ConflictError):
    """
    Another writer has continued the thread from the checkpoint that this one read.

    Nothing of the refused checkpoint was written. Read the thread again and repeat the
    turn, or name the checkpoint in the config to branch off on purpose.
    """

    code = "stale_checkpoint"
    _TEXT = "thread {0!r} has moved on from checkpoint {1!r} to {2!r}"

    def __init__(self, thread_id: str, parent: str | None, latest: str | None) -> None:
        super().__init__(thread_id, parent, latest)

    thread_id: Argument[str] = Argument(0)
    """
    The thread.
    """

    parent: Argument[str | None] = Argument(1)
    """
    The checkpoint that the refused one follows; None if it is to be the first.
    """

    latest: Argument[str | None] = Argument(2)
    """
    The thread's latest checkpoint when the call was decided; None if it has none.
    """
