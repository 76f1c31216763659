"""
Errors because of stored data.
"""

from __future__ import annotations

from asm_async.errors.base import Argument, ASMError


def _difference(field: str) -> str:
    if not field:
        return ""
    # The usual culprit: a retry that makes the value again, with the same id.
    is_time = field in {"timestamp", "created_at"}
    advice = "; repeat a call with the time it had at first" if is_time else ""
    return f": {field} differs{advice}"


class ConflictError(ASMError):
    """
    The stored data does not allow this change; nothing was written.
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

    subject: Argument[str] = Argument(0)
    """
    The session or run, such as ``session 'ses_1'``.
    """

    current: Argument[str] = Argument(1)
    """
    The status it has.
    """

    wanted: Argument[str] = Argument(2)
    """
    The status that was asked for.
    """


class EventConflictError(ConflictError):
    """
    The session already holds an event of this id, with other content.
    """

    code = "event_conflict"
    _TEXT = "session {!r} already holds an event {!r} with other content"

    # Positional, so that unpickling can rebuild the error from its args.
    def __init__(self, session_id: str, event_id: str, field: str = "") -> None:
        super().__init__(session_id, event_id, field)

    def __str__(self) -> str:
        return super().__str__() + _difference(self.field)

    session_id: Argument[str] = Argument(0)
    """
    The session that holds the event.
    """

    event_id: Argument[str] = Argument(1)
    """
    The id that is taken.
    """

    field: Argument[str] = Argument(2)
    """
    The first field that differs, of a JSON value with the path to what differs in it,
    such as ``timestamp`` or ``data['content']``.
    """


class SequenceConflictError(ConflictError):
    """
    The session's latest sequence number is not the expected one.
    """

    code = "sequence_conflict"
    _TEXT = "session {0!r} is at sequence number {2}, not at {1} as expected"

    def __init__(self, session_id: str, expected: int, actual: int) -> None:
        super().__init__(session_id, expected, actual)

    session_id: Argument[str] = Argument(0)
    """
    The session that has moved on.
    """

    expected: Argument[int] = Argument(1)
    """
    The expected number.
    """

    actual: Argument[int] = Argument(2)
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

    subject: Argument[str] = Argument(0)
    """
    The value to be saved, such as ``run 'run_1'``.
    """

    expected: Argument[int] = Argument(1)
    """
    The expected revision.
    """

    actual: Argument[int] = Argument(2)
    """
    The stored revision when the call was decided; 0 if nothing is stored.
    """


class LeaseLostError(ConflictError):
    """
    Another consumer holds the lease now, or a run was ended while it was recorded.
    """

    code = "lease_lost"


class RunInProgressError(ConflictError):
    """
    The session has a running run, and another one may not begin now.
    """

    code = "run_in_progress"
    _TEXT = (
        "session {!r} has the run {!r}, which is running: wait until it has ended; if"
        " its process is gone, recover_interrupted_runs ends it"
    )

    def __init__(self, session_id: str, run_id: str) -> None:
        super().__init__(session_id, run_id)

    session_id: Argument[str] = Argument(0)
    """
    The session.
    """

    run_id: Argument[str] = Argument(1)
    """
    The run that is running.
    """


class SessionDeletedError(ConflictError):
    """
    The session is soft-deleted: it can be read, not written.
    """

    code = "session_deleted"
    _TEXT = "session {!r} is deleted; restore it to write to it"

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)

    session_id: Argument[str] = Argument(0)
    """
    The session that is deleted.
    """


class ArtifactConflictError(ConflictError):
    """
    An artifact's id or key belongs to another one.
    """

    code = "artifact_conflict"
    _TEXT = "{} is registered already, with other content"

    # Positional, so that unpickling can rebuild the error from its args.
    def __init__(self, subject: str, field: str = "") -> None:
        super().__init__(subject, field)

    def __str__(self) -> str:
        return super().__str__() + _difference(self.field)

    subject: Argument[str] = Argument(0)
    """
    The id or key that is taken, such as ``key 'report.md'``.
    """

    field: Argument[str] = Argument(1)
    """
    The first field that differs, of JSON with the path to what differs in it.
    """


class HistoryConflictError(ConflictError):
    """
    An imported session's id belongs to a session with another history.
    """

    code = "history_conflict"
    _TEXT = "session {!r} cannot be imported: {}"

    def __init__(self, session_id: str, reason: str) -> None:
        super().__init__(session_id, reason)

    session_id: Argument[str] = Argument(0)
    """
    The session that was to be imported.
    """

    reason: Argument[str] = Argument(1)
    """
    Why it cannot be imported.
    """
