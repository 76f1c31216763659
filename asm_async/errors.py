"""
Everything this library raises on purpose.

An exception is one fact. What a program needs to know about it stands on the class: a
stable ``code``, a ``category`` and whether the same call may succeed later::

    ASMError
    ├── ValidationError                  (also a ValueError)
    │   └── InvalidCursorError
    ├── NotFoundError                    (also a LookupError)
    │   ├── SessionNotFoundError
    │   ├── RunNotFoundError
    │   └── ArtifactNotFoundError
    ├── ConflictError
    │   ├── InvalidTransitionError
    │   ├── EventConflictError
    │   ├── SequenceConflictError
    │   ├── RevisionConflictError
    │   ├── LeaseLostError
    │   └── SessionDeletedError
    ├── UnsupportedOperationError
    ├── StoreClosedError
    ├── StorageError
    │   ├── StorageUnavailableError      retryable
    │   ├── StorageBusyError             retryable
    │   └── MigrationRequiredError
    └── MissingDependencyError           (also an ImportError)

All state lives in ``args``, so that exceptions survive ``pickle``, ``copy`` and a trip
to another process unchanged.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar, cast

__all__ = [
    "ASMError",
    "ArtifactNotFoundError",
    "ConflictError",
    "EventConflictError",
    "InvalidCursorError",
    "InvalidTransitionError",
    "LeaseLostError",
    "MigrationRequiredError",
    "MissingDependencyError",
    "NotFoundError",
    "RevisionConflictError",
    "RunNotFoundError",
    "SequenceConflictError",
    "SessionDeletedError",
    "SessionNotFoundError",
    "StorageBusyError",
    "StorageError",
    "StorageUnavailableError",
    "StoreClosedError",
    "UnsupportedOperationError",
    "ValidationError",
]


T = TypeVar("T")


class _Argument(Generic[T]):
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

    session_id: _Argument[str] = _Argument(0)
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

    run_id: _Argument[str] = _Argument(0)
    """
    The id that was asked for.
    """


class ArtifactNotFoundError(NotFoundError):
    """
    No artifact of this key is stored.
    """

    code = "artifact_not_found"
    _TEXT = "no artifact {!r} is stored"

    def __init__(self, key: str) -> None:
        super().__init__(key)

    key: _Argument[str] = _Argument(0)
    """
    The key that was asked for.
    """


class ConflictError(ASMError):
    """
    What is stored does not allow this change; nothing was written.
    """

    code = "conflict"
    category = "conflict"


class InvalidTransitionError(ConflictError):
    """
    A status change that the status machine does not allow.
    """

    code = "invalid_transition"
    _TEXT = "{} is {} and cannot become {}"

    def __init__(self, subject: str, current: str, wanted: str) -> None:
        super().__init__(subject, current, wanted)

    subject: _Argument[str] = _Argument(0)
    """
    Whose status it is, such as ``session 'ses_1'``.
    """

    current: _Argument[str] = _Argument(1)
    """
    The status it has.
    """

    wanted: _Argument[str] = _Argument(2)
    """
    The status that was asked for.
    """


class EventConflictError(ConflictError):
    """
    The session already holds an event of this id, with other content.
    """

    code = "event_conflict"
    _TEXT = "session {!r} already holds an event {!r} with other content"

    def __init__(self, session_id: str, event_id: str) -> None:
        super().__init__(session_id, event_id)

    session_id: _Argument[str] = _Argument(0)
    """
    The session that holds the event.
    """

    event_id: _Argument[str] = _Argument(1)
    """
    The id that is taken.
    """


class SequenceConflictError(ConflictError):
    """
    The session's latest sequence number is not the expected one.
    """

    code = "sequence_conflict"
    _TEXT = "session {0!r} is at sequence number {2}, not at {1} as expected"

    def __init__(self, session_id: str, expected: int, actual: int) -> None:
        super().__init__(session_id, expected, actual)

    session_id: _Argument[str] = _Argument(0)
    """
    The session that has moved on.
    """

    expected: _Argument[int] = _Argument(1)
    """
    The latest number the caller knew.
    """

    actual: _Argument[int] = _Argument(2)
    """
    The session's latest number when the call was decided.
    """


class RevisionConflictError(ConflictError):
    """
    The stored revision is not the expected one.
    """

    code = "revision_conflict"
    _TEXT = "{0} is at revision {2}, not at {1} as expected"

    def __init__(self, subject: str, expected: int, actual: int) -> None:
        super().__init__(subject, expected, actual)

    subject: _Argument[str] = _Argument(0)
    """
    What was to be saved, such as ``run 'run_1'``.
    """

    expected: _Argument[int] = _Argument(1)
    """
    The revision the caller knew.
    """

    actual: _Argument[int] = _Argument(2)
    """
    The stored revision when the call was decided; 0 if nothing is stored.
    """


class LeaseLostError(ConflictError):
    """
    Another consumer holds the lease now.
    """

    code = "lease_lost"


class SessionDeletedError(ConflictError):
    """
    The session is soft-deleted: it can be read, not written.
    """

    code = "session_deleted"
    _TEXT = "session {!r} is deleted; restore it to write to it"

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)

    session_id: _Argument[str] = _Argument(0)
    """
    The session that is deleted.
    """


class UnsupportedOperationError(ASMError):
    """
    The backend cannot do it faithfully, so it does not do it at all.
    """

    code = "unsupported_operation"
    category = "unsupported"


class StoreClosedError(ASMError):
    """
    The store was closed, or belongs to another event loop.
    """

    code = "store_closed"
    category = "closed"


class StorageError(ASMError):
    """
    The database refused or failed; the driver's own error is ``__cause__``.
    """

    code = "storage_error"
    category = "storage"

    # Both are positional, so that unpickling can rebuild the error from its args.
    def __init__(self, message: str, outcome_unknown: bool = False) -> None:  # noqa: FBT001, FBT002 - see above
        super().__init__(message, outcome_unknown)

    def __str__(self) -> str:
        suffix = "; it is not known whether it was committed"
        return f"{self.args[0]}{suffix if self.outcome_unknown else ''}"

    outcome_unknown: _Argument[bool] = _Argument(1)
    """
    Whether the transaction may have been committed all the same.
    """


class StorageUnavailableError(StorageError):
    """
    No connection can be had: server down or going down, or the pool is exhausted.
    """

    code = "storage_unavailable"
    retryable = True


class StorageBusyError(StorageError):
    """
    The database stayed locked past the store's patience.
    """

    code = "storage_busy"
    retryable = True


class MigrationRequiredError(StorageError):
    """
    The database's schema is missing, older or newer than this code.
    """

    code = "migration_required"


class MissingDependencyError(ASMError, ImportError):
    """
    An optional dependency is not installed.
    """

    code = "missing_dependency"
    _TEXT = "{} is not installed: pip install 'asm_async[{}]'"
    category = "dependency"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
