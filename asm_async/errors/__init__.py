"""
Everything this library raises on purpose.

An exception is one fact. Its attributes for programs are on the class: a stable
``code``, a ``category`` and whether the same call may succeed later::

    ASMError
    ├── ValidationError                  (also a ValueError)
    │   ├── InvalidCursorError
    │   └── InvalidCheckpointError
    │       └── HistoryLostError
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
    │   ├── RunInProgressError
    │   ├── SessionDeletedError
    │   ├── ArtifactConflictError
    │   ├── HistoryConflictError
    │   └── KeyDroppedError
    ├── UnsupportedOperationError
    ├── StoreClosedError
    ├── StorageError
    │   ├── StorageUnavailableError      retryable
    │   ├── StorageBusyError             retryable
    │   ├── MigrationRequiredError
    │   ├── PermissionDeniedError
    │   ├── ArtifactDamagedError
    │   ├── UnreadableValueError
    │   │   └── DecryptionError
    │   │       └── TamperedError
    │   └── EventsNotWrittenError
    ├── QueueFullError                   retryable
    └── MissingDependencyError           (also an ImportError)

All state lives in ``args``, so that exceptions survive ``pickle``, ``copy`` and a trip
to another process unchanged.
"""

from __future__ import annotations

from asm_async.errors.base import (
    ArtifactNotFoundError,
    ASMError,
    HistoryLostError,
    InvalidCheckpointError,
    InvalidCursorError,
    MissingDependencyError,
    NotFoundError,
    QueueFullError,
    RunNotFoundError,
    SessionNotFoundError,
    StoreClosedError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.errors.conflicts import (
    ArtifactConflictError,
    ConflictError,
    EventConflictError,
    HistoryConflictError,
    InvalidTransitionError,
    LeaseLostError,
    RevisionConflictError,
    RunInProgressError,
    SequenceConflictError,
    SessionDeletedError,
)
from asm_async.errors.encryption import (
    DecryptionError,
    KeyDroppedError,
    TamperedError,
)
from asm_async.errors.storage import (
    ArtifactDamagedError,
    EventsNotWrittenError,
    MigrationRequiredError,
    PermissionDeniedError,
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
    UnreadableValueError,
)

__all__ = [
    "ASMError",
    "ArtifactConflictError",
    "ArtifactDamagedError",
    "ArtifactNotFoundError",
    "ConflictError",
    "DecryptionError",
    "EventConflictError",
    "EventsNotWrittenError",
    "HistoryConflictError",
    "HistoryLostError",
    "InvalidCheckpointError",
    "InvalidCursorError",
    "InvalidTransitionError",
    "KeyDroppedError",
    "LeaseLostError",
    "MigrationRequiredError",
    "MissingDependencyError",
    "NotFoundError",
    "PermissionDeniedError",
    "QueueFullError",
    "RevisionConflictError",
    "RunInProgressError",
    "RunNotFoundError",
    "SequenceConflictError",
    "SessionDeletedError",
    "SessionNotFoundError",
    "StorageBusyError",
    "StorageError",
    "StorageUnavailableError",
    "StoreClosedError",
    "TamperedError",
    "UnreadableValueError",
    "UnsupportedOperationError",
    "ValidationError",
]
