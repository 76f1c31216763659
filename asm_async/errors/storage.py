"""
The database, or the disk, has failed.
"""

from __future__ import annotations

from asm_async.errors.base import Argument, ASMError


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

    outcome_unknown: Argument[bool] = Argument(1)
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
    The database stayed locked past the store's timeout.
    """

    code = "storage_busy"
    retryable = True


class MigrationRequiredError(StorageError):
    """
    The database's schema is missing, older or newer than this code.
    """

    code = "migration_required"


class PermissionDeniedError(StorageError):
    """
    The database does not allow this to the role that the store connects as.
    """

    code = "permission_denied"


class ArtifactDamagedError(StorageError):
    """
    What an artifact's content has become is not what was stored, or it is gone.
    """

    code = "artifact_damaged"
