"""
The base of all errors, and those of a call that is wrong.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar, cast

T = TypeVar("T")


class Argument(Generic[T]):
    """
    One of an exception's ``args``, by name.
    """

    def __init__(self, index: int) -> None:
        self._index = index

    def __get__(self, error: ASMError, kind: type[ASMError]) -> T:
        return cast("T", error.args[self._index])


class ASMError(Exception):
    """
    The base of every error of this library.
    """

    code: ClassVar[str] = "asm_error"
    """
    A stable, machine-readable name of the fact.
    """

    category: ClassVar[str] = "internal"
    """
    The family: validation, not_found, conflict, unsupported, closed, storage,
    dependency.
    """

    retryable: ClassVar[bool] = False
    """
    Whether the same call, unchanged, may succeed later.
    """

    _TEXT: ClassVar[str] = "{}"

    def __str__(self) -> str:
        return self._TEXT.format(*self.args) if self.args else type(self).__name__


class ValidationError(ASMError, ValueError):
    """
    A value given by the caller is wrong; nothing was written.
    """

    code = "validation_error"
    category = "validation"


class InvalidCursorError(ValidationError):
    """
    A cursor is malformed, or belongs to another query.
    """

    code = "invalid_cursor"


class InvalidCheckpointError(ValidationError):
    """
    A checkpoint is malformed, or belongs to another feed.
    """

    code = "invalid_checkpoint"


class HistoryLostError(InvalidCheckpointError):
    """
    The log no longer holds events that a follower received: history went backwards.

    A failover has lost commits, or an older state of the database was restored.
    Continuing would skip events silently, so begin again.
    """

    code = "history_lost"


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


class UnsupportedOperationError(ASMError):
    """
    The backend cannot do it faithfully, so it does not do it at all.
    """

    code = "unsupported_operation"
    category = "unsupported"


class StoreClosedError(ASMError):
    """
    The store was closed, or belongs to another event loop or process.
    """

    code = "store_closed"
    category = "closed"


class QueueFullError(ASMError):
    """
    A queue in this process is full; the event was not taken.
    """

    code = "queue_full"
    category = "storage"
    retryable = True


class MissingDependencyError(ASMError, ImportError):
    """
    An optional dependency is not installed.
    """

    code = "missing_dependency"
    # No command for an index: until there is a release, nobody knows whose package an
    # index would give out under this name.
    _TEXT = "{} is not installed: pip install '.[{}]' in a clone of asm_async"
    category = "dependency"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
