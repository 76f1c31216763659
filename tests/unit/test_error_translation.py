from __future__ import annotations

import asyncio
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from json import JSONDecodeError

import asyncpg
import pytest
from sqlalchemy import exc

from asm_async.errors import (
    MigrationRequiredError,
    PermissionDeniedError,
    SequenceConflictError,
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
)
from asm_async.sql.core.error_translation import (
    _BY_CLASS,
    is_collision,
    is_damage,
    requires_reconnect,
    translated_errors,
)

WORDS = "the caller's own words"

SQLSTATES = {
    "08000": StorageUnavailableError,  # connection exception
    "08003": StorageUnavailableError,  # connection does not exist
    "08006": StorageUnavailableError,  # connection failure
    "08P01": StorageError,  # protocol violation, or what a pooler does not take
    "22P02": StorageError,  # invalid text representation
    "23502": StorageError,  # not null violation
    "23505": StorageError,  # unique violation
    "25006": StorageUnavailableError,  # read only transaction: a standby
    "28P01": StorageError,  # invalid password
    "3D000": StorageError,  # no such database
    "40001": StorageBusyError,  # serialization failure
    "40003": StorageUnavailableError,  # statement completion unknown
    "40P01": StorageBusyError,  # deadlock detected
    "42501": PermissionDeniedError,  # insufficient privilege
    "42601": StorageError,  # syntax error
    "42703": MigrationRequiredError,  # undefined column
    "42P01": MigrationRequiredError,  # undefined table
    "53100": StorageError,  # disk full
    "53200": StorageUnavailableError,  # out of memory
    "53300": StorageUnavailableError,  # too many connections
    "55P03": StorageBusyError,  # lock not available
    "57014": StorageBusyError,  # query cancelled: a statement timeout
    "57P01": StorageUnavailableError,  # admin shutdown
    "57P02": StorageUnavailableError,  # crash shutdown
    "57P03": StorageUnavailableError,  # cannot connect now: starting up
    "57P04": StorageError,  # database dropped
    "57P05": StorageUnavailableError,  # idle session timeout
    "58030": StorageError,  # I/O error
    "XX000": StorageError,  # internal error
}

SQLITE_CODES = {
    "SQLITE_ERROR": StorageError,
    "SQLITE_BUSY": StorageBusyError,
    "SQLITE_BUSY_RECOVERY": StorageBusyError,
    "SQLITE_BUSY_SNAPSHOT": StorageBusyError,
    "SQLITE_BUSY_TIMEOUT": StorageBusyError,
    "SQLITE_LOCKED": StorageBusyError,
    "SQLITE_LOCKED_SHAREDCACHE": StorageBusyError,
    "SQLITE_NOMEM": StorageUnavailableError,
    "SQLITE_READONLY": StorageError,
    "SQLITE_READONLY_DBMOVED": StorageError,
    "SQLITE_INTERRUPT": StorageBusyError,
    "SQLITE_IOERR": StorageError,
    "SQLITE_IOERR_FSYNC": StorageError,
    "SQLITE_CORRUPT": StorageError,
    "SQLITE_FULL": StorageError,
    "SQLITE_CANTOPEN": StorageError,
    "SQLITE_PROTOCOL": StorageBusyError,
    "SQLITE_SCHEMA": StorageBusyError,
    "SQLITE_CONSTRAINT_UNIQUE": StorageError,
    "SQLITE_CONSTRAINT_PRIMARYKEY": StorageError,
    "SQLITE_NOTADB": StorageError,
}


DISABLING = [
    "SQLITE_CORRUPT",
    "SQLITE_IOERR_SHORT_READ",
    "SQLITE_NOTADB",
    "SQLITE_READONLY",
]


def postgres_error(sqlstate: str) -> asyncpg.PostgresError:
    """
    Make the driver's error of a SQLSTATE.
    """
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "it failed"})


def sqlite_error(name: str) -> sqlite3.Error:
    """
    Make the driver's error of a result code.
    """
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorname = name
    return error


def wrapped(error: BaseException, *, is_lost: bool = False) -> exc.DBAPIError:
    """
    Make of a driver's error what SQLAlchemy makes of it.
    """
    return exc.OperationalError(
        "INSERT INTO asm_events VALUES (:data)",
        {"data": WORDS},
        error,
        connection_invalidated=is_lost,
    )


def translation(error: BaseException, *, committing: bool = False) -> StorageError:
    """
    Raise an error and give what becomes of it.
    """
    with (
        pytest.raises(StorageError) as caught,
        translated_errors(committing=committing),
    ):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


DRIVER_ERRORS = [
    *((code, postgres_error(code), kind) for code, kind in SQLSTATES.items()),
    *((code, sqlite_error(code), kind) for code, kind in SQLITE_CODES.items()),
]


@pytest.mark.parametrize(
    ("error", "kind"),
    [pytest.param(error, kind, id=code) for code, error, kind in DRIVER_ERRORS],
)
def test_the_code_decides(error: Exception, kind: type[StorageError]) -> None:
    """
    Each SQLSTATE and each result code of SQLite becomes one error, bare or wrapped.
    """
    assert type(translation(error)) is kind
    assert type(translation(wrapped(error))) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), StorageUnavailableError),
        (TimeoutError(), StorageUnavailableError),
        (OSError("no route to host"), StorageUnavailableError),
        (exc.TimeoutError("the pool is exhausted"), StorageUnavailableError),
        (asyncpg.InterfaceError("connection is closed"), StorageUnavailableError),
        (asyncpg.InternalClientError("another state"), StorageUnavailableError),
        (wrapped(asyncpg.InternalClientError("the same")), StorageUnavailableError),
        (asyncpg.TargetServerAttributeNotMatched("standbys"), StorageUnavailableError),
        (asyncpg.OutdatedSchemaCacheError("forgotten now"), StorageUnavailableError),
        (asyncpg.ProtocolError("what came is senseless"), StorageUnavailableError),
        (asyncpg.ClientConfigurationError("the client is at fault"), StorageError),
        (asyncpg.UnsupportedServerFeatureError("it never will"), StorageError),
        (asyncpg.UnsupportedClientFeatureError("it never will"), StorageError),
        (ssl.SSLCertVerificationError(1, "another signed it"), StorageError),
        (ssl.SSLError(1, "the handshake broke off"), StorageUnavailableError),
        (asyncpg.DataError("the client is at fault"), StorageError),
        (sqlite3.ProgrammingError("the client is at fault"), StorageError),
        (wrapped(sqlite3.ProgrammingError("closed"), is_lost=True), None),
        (wrapped(sqlite_error("SQLITE_ERROR"), is_lost=True), None),
        (exc.InvalidRequestError("it failed"), StorageError),
    ],
)
def test_without_a_code_the_class_decides(
    error: Exception, kind: type[StorageError] | None
) -> None:
    """
    What is no answer of the database's is known by its class; lost is unavailable.
    """
    assert type(translation(error)) is (kind or StorageUnavailableError)


@pytest.mark.parametrize(
    "error",
    [
        SequenceConflictError("ses_1", 1, 2),
        StorageBusyError("it is locked", outcome_unknown=True),
        ZeroDivisionError(),
        asyncio.CancelledError(),
    ],
)
def test_what_is_not_the_databases_passes_untouched(error: BaseException) -> None:
    """
    Our own errors, cancellation and bugs go through as they are.
    """
    with pytest.raises(type(error)) as caught, translated_errors():
        raise error

    assert caught.value is error


@pytest.mark.parametrize("code", ["08003", "57P01", "40001", "SQLITE_IOERR"])
def test_a_translated_error_is_not_translated_again(code: str) -> None:
    """
    Around a failed commit, what is known of its outcome is not forgotten.
    """
    driver_error = (sqlite_error if "_" in code else postgres_error)(code)
    error = StorageError("it failed", outcome_unknown=True)
    error.__cause__ = wrapped(driver_error)

    with pytest.raises(StorageError) as caught, translated_errors():
        raise error

    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "outcome_unknown"),
    [
        (wrapped(postgres_error("23505")), False),
        (wrapped(postgres_error("40001")), False),
        (wrapped(postgres_error("XX000")), False),
        (wrapped(postgres_error("25006")), False),
        (wrapped(postgres_error("25006"), is_lost=True), False),
        (wrapped(postgres_error("57014")), False),
        (wrapped(postgres_error("57P01")), True),
        (wrapped(postgres_error("08006")), True),
        (wrapped(postgres_error("40003")), True),
        (wrapped(postgres_error("40001"), is_lost=True), True),
        (wrapped(sqlite_error("SQLITE_BUSY")), False),
        (wrapped(sqlite_error("SQLITE_FULL")), False),
        (wrapped(sqlite_error("SQLITE_IOERR_FSYNC")), True),
        (wrapped(sqlite3.ProgrammingError("closed")), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
    ],
)
def test_a_failed_commit_is_known_only_by_the_databases_word(
    error: Exception, *, outcome_unknown: bool
) -> None:
    """
    Unless the database has refused to commit, it may have committed.
    """
    assert translation(error, committing=True).outcome_unknown is outcome_unknown
    assert translation(error).outcome_unknown is False


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("23505", True),
        ("SQLITE_CONSTRAINT_PRIMARYKEY", True),
        ("SQLITE_CONSTRAINT_UNIQUE", True),
        ("23503", False),
        ("SQLITE_CONSTRAINT_CHECK", False),
        ("40001", False),
    ],
)
def test_only_a_unique_constraint_makes_a_collision(
    code: str, *, expected: bool
) -> None:
    """
    A transaction that met another's row may be tried again, and sees it then.
    """
    driver_error = (sqlite_error if "_" in code else postgres_error)(code)

    assert is_collision(translation(wrapped(driver_error))) is expected
    assert not is_collision(StorageError("without a cause"))


def test_a_message_tells_neither_statement_nor_parameters() -> None:
    """
    What the database said is repeated, not what the caller stored.
    """
    driver_error = asyncpg.PostgresError.new(
        {
            "C": "23502",
            "M": 'null value in column "id" violates not-null constraint',
            "D": f"Failing row contains ({WORDS}).",
        }
    )
    for error in (driver_error, wrapped(driver_error)):
        message = str(translation(error))

        assert 'null value in column "id"' in message
        assert WORDS not in message
        assert "INSERT" not in message


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("SQLITE_FULL", "make some"),
        ("53100", "make some"),
        ("SQLITE_READONLY", "allow it"),
        ("SQLITE_READONLY_DBMOVED", "allow it"),
        ("SQLITE_CANTOPEN", "must exist"),
        ("SQLITE_CORRUPT", "backup"),
        ("SQLITE_CORRUPT_INDEX", "backup"),
        ("SQLITE_NOTADB", "backup"),
        ("XX001", "backup"),
        ("SQLITE_IOERR_WRITE", "log"),
        ("SQLITE_BUSY", "lock"),
        ("42501", "grant"),
        ("57014", "raise it"),
    ],
)
def test_a_message_says_what_to_do(code: str, advice: str) -> None:
    """
    Whoever reads that the disk is full, or the file damaged, reads what helps.
    """
    driver_error = (sqlite_error if "_" in code else postgres_error)(code)
    message = str(translation(wrapped(driver_error)))

    assert "it failed; " in message
    assert advice in message
    assert str(translation(sqlite_error("SQLITE_ERROR"))).endswith("it failed")


@pytest.mark.parametrize("code", DISABLING)
def test_a_disabled_connection_is_no_lost_one(code: str) -> None:
    """
    It is given up, but what the database said of its file counts, not that.
    """
    error = wrapped(sqlite_error(code), is_lost=True)

    assert requires_reconnect(error)
    assert type(translation(error)) is StorageError
    assert not requires_reconnect(wrapped(sqlite_error("SQLITE_BUSY")))
    assert not requires_reconnect(OSError())


def undecodable_text() -> Exception:
    """
    Return what the driver raises for a text that is no UTF-8, and repeats it in.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        text = f"{WORDS}\xff".encode("latin-1")
        try:
            connection.execute("SELECT CAST(? AS TEXT)", (text,)).fetchall()
        except sqlite3.OperationalError as error:
            return error
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        undecodable_text(),
        JSONDecodeError("no JSON", WORDS, 0),
        UnicodeDecodeError("utf-8", WORDS.encode(), 0, 1, "no text"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_be_decoded_is_damage(error: Exception) -> None:
    """
    It is told as such, without a word of it.
    """
    for told in (error, wrapped(error)):
        found = translation(told)

        assert type(found) is StorageError
        assert is_damage(found)
        assert "backup" in str(found)
        assert WORDS not in str(found)
    assert not is_damage(translation(OSError()))
    assert not is_damage(StorageError("without a cause"))


def all_subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    """
    Yield the classes of sqlalchemy.exc below *kind*.
    """
    for subclass in kind.__subclasses__():
        if subclass.__module__ == exc.__name__:
            yield subclass
            yield from all_subclasses(subclass)


@pytest.mark.parametrize(
    "kind", sorted(set(all_subclasses(exc.SQLAlchemyError)), key=repr)
)
def test_every_class_of_sqlalchemy_is_decided_about(kind: type[Exception]) -> None:
    """
    Each error of SQLAlchemy's has an ancestor that was decided about by name.
    """
    decided = next((base for base in kind.__mro__ if base in _BY_CLASS), None)

    assert decided is not None


def test_an_unknown_error_of_sqlalchemys_family_is_a_storage_error() -> None:
    """
    A class that somebody else derives from SQLAlchemyError does not get through.
    """

    class PluginError(exc.SQLAlchemyError):
        pass

    assert type(translation(PluginError("it failed"))) is StorageError
