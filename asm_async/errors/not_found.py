"""
What was asked for is not there.
"""

from __future__ import annotations

from asm_async.errors.base import Argument, ASMError


class NotFoundError(ASMError, LookupError):
    """
    No such thing is stored.
    """

    code = "not_found"
    category = "not_found"


class SessionNotFoundError(NotFoundError):
    """
    No session of this id is stored.
    """

    code = "session_not_found"
    _TEXT = "no session {!r} is stored"

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)

    session_id: Argument[str] = Argument(0)
    """
    The id that was asked for.
    """


class RunNotFoundError(NotFoundError):
    """
    No run of this id is stored.
    """

    code = "run_not_found"
    _TEXT = "no run {!r} is stored"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)

    run_id: Argument[str] = Argument(0)
    """
    The id that was asked for.
    """


class ArtifactNotFoundError(NotFoundError):
    """
    No artifact of this id or key is stored, or no content of this checksum.
    """

    code = "artifact_not_found"
    _TEXT = "no artifact {!r} is stored"

    def __init__(self, key: str) -> None:
        super().__init__(key)

    key: Argument[str] = Argument(0)
    """
    The id, key or checksum that was asked for.
    """
