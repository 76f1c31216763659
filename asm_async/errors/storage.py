"""
The database, or the disk, has failed.
"""

from __future__ import annotations

from asm_async.errors.base import Argument, ASMError

_MAX_IDS_SHOWN = 3


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
    Whether the transaction may have been committed nevertheless.
    """


class StorageUnavailableError(StorageError):
    """
    No connection is available: server down or going down, or the pool is exhausted.
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
    An artifact's content is not what was stored, or is missing.
    """

    code = "artifact_damaged"


class UnreadableValueError(StorageError):
    """
    What is stored cannot be made what callers see: a part of it is gone, or altered.
    """

    code = "unreadable_value"

    # Positional, so that unpickling can rebuild the error from its args.
    def __init__(
        self,
        reason: str,
        outcome_unknown: bool = False,  # noqa: FBT001, FBT002 - see above
        subject: str = "",
        member: str = "",
    ) -> None:
        super(StorageError, self).__init__(reason, outcome_unknown, subject, member)

    def __str__(self) -> str:
        what = " of ".join(filter(None, (self.member, self.subject)))
        return f"{what} cannot be read: {super().__str__()}"

    reason: Argument[str] = Argument(0)
    """
    Why it cannot be read.
    """

    subject: Argument[str] = Argument(2)
    """
    The value, such as ``event 'evt_1' of session 'ses_1'``.
    """

    member: Argument[str] = Argument(3)
    """
    The part of it that cannot be read, such as ``data['content']``.
    """


class EventsNotWrittenError(StorageError):
    """
    Events that were appended in the background could not be written.

    ``__cause__`` is what stopped the first of them.
    """

    code = "events_not_written"

    # Positional, so that unpickling can rebuild the error from its args.
    def __init__(
        self,
        reason: str,
        outcome_unknown: bool = False,  # noqa: FBT001, FBT002 - see above
        event_ids: tuple[str, ...] = (),
    ) -> None:
        super(StorageError, self).__init__(reason, outcome_unknown, event_ids)

    def __str__(self) -> str:
        count = len(self.event_ids)
        named = ", ".join([repr(each) for each in self.event_ids[:_MAX_IDS_SHOWN]])
        rest = f" and {count - _MAX_IDS_SHOWN} more" if count > _MAX_IDS_SHOWN else ""
        return f"events not written: {named}{rest}: {super().__str__()}"

    event_ids: Argument[tuple[str, ...]] = Argument(2)
    """
    The ids of all that are not known to be written, oldest first.
    """
