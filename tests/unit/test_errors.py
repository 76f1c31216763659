from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from asm_async import errors
from asm_async.errors import (
    ArtifactConflictError,
    ArtifactDamagedError,
    ArtifactNotFoundError,
    ASMError,
    ConflictError,
    DecryptionError,
    EventConflictError,
    EventsNotWrittenError,
    HistoryConflictError,
    HistoryLostError,
    InvalidCheckpointError,
    InvalidCursorError,
    InvalidTransitionError,
    KeyDroppedError,
    LeaseLostError,
    MigrationRequiredError,
    MissingDependencyError,
    NotFoundError,
    PermissionDeniedError,
    QueueFullError,
    RevisionConflictError,
    RunInProgressError,
    RunNotFoundError,
    SequenceConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
    StoreClosedError,
    TamperedError,
    UnreadableValueError,
    UnsupportedOperationError,
    ValidationError,
)

# Class, what it directly derives from, code, category, retryable.
TREE: list[tuple[type[ASMError], tuple[type, ...], str, str, bool]] = [
    (ASMError, (Exception,), "asm_error", "internal", False),
    (ValidationError, (ASMError, ValueError), "validation_error", "validation", False),
    (InvalidCursorError, (ValidationError,), "invalid_cursor", "validation", False),
    (
        InvalidCheckpointError,
        (ValidationError,),
        "invalid_checkpoint",
        "validation",
        False,
    ),
    (HistoryLostError, (InvalidCheckpointError,), "history_lost", "validation", False),
    (NotFoundError, (ASMError, LookupError), "not_found", "not_found", False),
    (SessionNotFoundError, (NotFoundError,), "session_not_found", "not_found", False),
    (RunNotFoundError, (NotFoundError,), "run_not_found", "not_found", False),
    (ArtifactNotFoundError, (NotFoundError,), "artifact_not_found", "not_found", False),
    (ConflictError, (ASMError,), "conflict", "conflict", False),
    (InvalidTransitionError, (ConflictError,), "invalid_transition", "conflict", False),
    (EventConflictError, (ConflictError,), "event_conflict", "conflict", False),
    (SequenceConflictError, (ConflictError,), "sequence_conflict", "conflict", False),
    (RevisionConflictError, (ConflictError,), "revision_conflict", "conflict", False),
    (LeaseLostError, (ConflictError,), "lease_lost", "conflict", False),
    (RunInProgressError, (ConflictError,), "run_in_progress", "conflict", False),
    (SessionDeletedError, (ConflictError,), "session_deleted", "conflict", False),
    (ArtifactConflictError, (ConflictError,), "artifact_conflict", "conflict", False),
    (HistoryConflictError, (ConflictError,), "history_conflict", "conflict", False),
    (KeyDroppedError, (ConflictError,), "key_dropped", "conflict", False),
    (
        UnsupportedOperationError,
        (ASMError,),
        "unsupported_operation",
        "unsupported",
        False,
    ),
    (StoreClosedError, (ASMError,), "store_closed", "closed", False),
    (StorageError, (ASMError,), "storage_error", "storage", False),
    (StorageUnavailableError, (StorageError,), "storage_unavailable", "storage", True),
    (StorageBusyError, (StorageError,), "storage_busy", "storage", True),
    (MigrationRequiredError, (StorageError,), "migration_required", "storage", False),
    (PermissionDeniedError, (StorageError,), "permission_denied", "storage", False),
    (ArtifactDamagedError, (StorageError,), "artifact_damaged", "storage", False),
    (UnreadableValueError, (StorageError,), "unreadable_value", "storage", False),
    (DecryptionError, (UnreadableValueError,), "decryption_failed", "storage", False),
    (TamperedError, (DecryptionError,), "tampered", "storage", False),
    (EventsNotWrittenError, (StorageError,), "events_not_written", "storage", False),
    (QueueFullError, (ASMError,), "queue_full", "storage", True),
    (
        MissingDependencyError,
        (ASMError, ImportError),
        "missing_dependency",
        "dependency",
        False,
    ),
]

# An error of each class that has its own constructor or message, and what it says.
SAYINGS: list[tuple[ASMError, str]] = [
    (ASMError(), "ASMError"),
    (ValidationError("id: expected text"), "id: expected text"),
    (InvalidCursorError("not a cursor"), "not a cursor"),
    (InvalidCheckpointError("not a checkpoint"), "not a checkpoint"),
    (HistoryLostError("checkpoint: gone"), "checkpoint: gone"),
    (NotFoundError("nothing there"), "nothing there"),
    (SessionNotFoundError("ses_1"), "no session 'ses_1' is stored"),
    (RunNotFoundError("run_1"), "no run 'run_1' is stored"),
    (ArtifactNotFoundError("a/b"), "no artifact 'a/b' is stored"),
    (ConflictError("run 'run_1' belongs elsewhere"), "run 'run_1' belongs elsewhere"),
    (
        InvalidTransitionError("run 'run_1'", "failed", "running"),
        "run 'run_1' is failed and cannot become running",
    ),
    (
        EventConflictError("ses_1", "evt_1"),
        "session 'ses_1' already holds an event 'evt_1' with other content",
    ),
    (
        EventConflictError("ses_1", "evt_1", "data['a']"),
        (
            "session 'ses_1' already holds an event 'evt_1' with other content:"
            " data['a'] differs"
        ),
    ),
    (
        ArtifactConflictError("key 'a'", "created_at"),
        (
            "key 'a' is registered already, with other content: created_at differs;"
            " repeat a call with the time it had at first"
        ),
    ),
    (
        SequenceConflictError("ses_1", 3, 5),
        "session 'ses_1' is at sequence number 5, not at 3 as expected",
    ),
    (
        RevisionConflictError("run 'run_1'", 3, 5),
        "run 'run_1' is at revision 5, not at 3 as expected",
    ),
    (LeaseLostError("consumer 'billing'"), "consumer 'billing'"),
    (
        RunInProgressError("ses_1", "run_1"),
        (
            "session 'ses_1' has the run 'run_1', which is running: wait until it has"
            " ended; if its process is gone, recover_interrupted_runs ends it"
        ),
    ),
    (
        SessionDeletedError("ses_1"),
        "session 'ses_1' is deleted; restore it to write to it",
    ),
    (
        ArtifactConflictError("key 'a/b'"),
        "key 'a/b' is registered already, with other content",
    ),
    (UnsupportedOperationError("no static pool"), "no static pool"),
    (StoreClosedError("the store is closed"), "the store is closed"),
    (StorageError("disk full"), "disk full"),
    (
        StorageError("connection lost", outcome_unknown=True),
        "connection lost; it is not known whether it was committed",
    ),
    (StorageUnavailableError("no server"), "no server"),
    (
        StorageBusyError("locked", outcome_unknown=True),
        "locked; it is not known whether it was committed",
    ),
    (MigrationRequiredError("the database is empty"), "the database is empty"),
    (
        HistoryConflictError("ses_1", "it was deleted here"),
        "session 'ses_1' cannot be imported: it was deleted here",
    ),
    (PermissionDeniedError("not allowed"), "not allowed"),
    (ArtifactDamagedError("content is missing"), "content is missing"),
    (
        UnreadableValueError(
            "its key is gone", subject="event 'evt_1'", member="data['content']"
        ),
        "data['content'] of event 'evt_1' cannot be read: its key is gone",
    ),
    (
        EventsNotWrittenError("disk full", event_ids=("a", "b")),
        "events not written: 'a', 'b': disk full",
    ),
    (
        EventsNotWrittenError("no server", True, ("a", "b", "c", "d")),  # noqa: FBT003 - as it is pickled
        (
            "events not written: 'a', 'b', 'c' and 1 more: no server;"
            " it is not known whether it was committed"
        ),
    ),
    (
        DecryptionError("its key is missing", subject="event 'evt_1'"),
        "event 'evt_1' cannot be read: its key is missing",
    ),
    (
        TamperedError("it was altered", subject="event 'evt_1'"),
        "event 'evt_1' cannot be read: it was altered",
    ),
    (
        KeyDroppedError("session 'ses_1'"),
        (
            "the key of session 'ses_1' was dropped: what it covered is erased, and"
            " nothing is added"
        ),
    ),
    (QueueFullError("event 'evt_1' was not taken"), "event 'evt_1' was not taken"),
    (
        MissingDependencyError("asyncpg", "postgres"),
        "asyncpg is not installed: pip install '.[postgres]' in a clone of asm_async",
    ),
]


def name_of(value: object) -> str | None:
    """
    Show an error, or name its class, as a test's id.
    """
    if isinstance(value, type):
        return value.__name__
    return repr(value) if isinstance(value, ASMError) else None


@pytest.mark.parametrize(
    ("error", "bases", "code", "category", "retryable"), TREE, ids=name_of
)
def test_each_class_stands_in_its_place(
    error: type[ASMError],
    bases: tuple[type, ...],
    code: str,
    category: str,
    retryable: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    """
    Each class has its bases, its code, its category, and says whether to try again.
    """
    assert error.__bases__ == bases
    assert (error.code, error.category, error.retryable) == (code, category, retryable)


def test_the_tree_is_whole() -> None:
    """
    The tests know every exception class of the package, and it lists them all.
    """
    defined = {
        name
        for name, thing in inspect.getmembers(errors, inspect.isclass)
        if issubclass(thing, Exception)
    }

    assert {row[0].__name__ for row in TREE} == set(errors.__all__) == defined
    assert {type(error) for error, _ in SAYINGS} == {row[0] for row in TREE}


def test_codes_are_unique() -> None:
    """
    No two classes share a code.
    """
    codes = [row[2] for row in TREE]

    assert len(set(codes)) == len(codes)


def test_the_tree_is_drawn_as_it_is() -> None:
    """
    The module's docstring draws the classes, their built-in bases and retryability.
    """
    pattern = r"^ {4}([│├└─ ]*)(\w+Error)( +\(also an? (\w+)\)| +(retryable))?$"
    drawn: list[tuple[str, str, tuple[str | None, ...]]] = []
    ancestors: list[str] = []
    for match in re.finditer(pattern, errors.__doc__ or "", re.MULTILINE):
        depth = len(match[1]) // 4
        ancestors[depth:] = [match[2]]
        parent = ancestors[depth - 1] if depth else "Exception"
        drawn.append((match[2], parent, (match[4], match[5])))

    assert drawn == [
        (
            error.__name__,
            bases[0].__name__,
            (
                bases[1].__name__ if len(bases) > 1 else None,
                "retryable" if retryable else None,
            ),
        )
        for error, bases, _, _, retryable in TREE
    ]


@pytest.mark.parametrize(("error", "saying"), SAYINGS, ids=name_of)
def test_an_error_says_the_fact(error: ASMError, saying: str) -> None:
    """
    ``str`` of an error is a sentence about what has happened.
    """
    assert str(error) == saying


@pytest.mark.parametrize("error", [row[0] for row in SAYINGS], ids=name_of)
def test_an_error_survives_copy_and_pickle(error: ASMError) -> None:
    """
    A copied or pickled error keeps class, arguments, message and notes.
    """
    error = copy.copy(error)
    error.add_note("while flushing")
    twins = [copy.copy(error), copy.deepcopy(error)] + [
        pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]

    for twin in twins:
        assert type(twin) is type(error)
        assert twin.args == error.args
        assert str(twin) == str(error)
        assert twin.__notes__ == ["while flushing"]


def test_an_error_tells_what_it_is_about() -> None:
    """
    The facts of an error can be read one by one, also from its copy.
    """
    session = copy.copy(SessionNotFoundError("ses_1"))
    run = copy.copy(RunNotFoundError("run_1"))
    artifact = copy.copy(ArtifactNotFoundError("a/b"))
    deleted = copy.copy(SessionDeletedError("ses_1"))

    assert session.session_id == deleted.session_id == "ses_1"
    assert (run.run_id, artifact.key) == ("run_1", "a/b")


def test_a_conflict_tells_both_sides() -> None:
    """
    A conflict carries what was expected or wanted, and what there is.
    """
    transition = copy.copy(InvalidTransitionError("run 'run_1'", "failed", "running"))
    event = copy.copy(EventConflictError("ses_1", "evt_1"))
    sequence = copy.copy(SequenceConflictError("ses_1", 3, 5))
    revision = copy.copy(RevisionConflictError("run 'run_1'", 0, 5))

    assert transition.args == ("run 'run_1'", "failed", "running")
    assert transition.subject == "run 'run_1'"
    assert (transition.current, transition.wanted) == ("failed", "running")
    assert (event.session_id, event.event_id) == ("ses_1", "evt_1")
    assert (sequence.session_id, sequence.expected, sequence.actual) == ("ses_1", 3, 5)
    assert (revision.subject, revision.expected, revision.actual) == (
        "run 'run_1'",
        0,
        5,
    )


@pytest.mark.parametrize(
    "error",
    [StorageError, StorageUnavailableError, StorageBusyError, MigrationRequiredError],
)
def test_a_storage_error_says_whether_the_outcome_is_known(
    error: type[StorageError],
) -> None:
    """
    ``outcome_unknown`` is False unless given, and survives a copy.
    """
    assert error("broken").outcome_unknown is False
    assert copy.copy(error("broken", outcome_unknown=True)).outcome_unknown is True


def test_built_in_families_catch_ours() -> None:
    """
    ``except ValueError``, ``LookupError`` and ``ImportError`` catch what belongs there.
    """
    with pytest.raises(ValueError, match="bad"):
        raise InvalidCursorError("bad")
    with pytest.raises(LookupError):
        raise RunNotFoundError("run_1")
    with pytest.raises(ImportError):
        raise MissingDependencyError("asyncpg", "postgres")
