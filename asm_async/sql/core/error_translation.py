"""
What a driver or SQLAlchemy raises, as our errors: by SQLSTATE and SQLite result code.

Never by the message's text, which changes with versions and languages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from json import JSONDecodeError
from ssl import SSLCertVerificationError
from typing import TypeVar

from sqlalchemy import exc

from asm_async.errors import (
    ASMError,
    MigrationRequiredError,
    PermissionDeniedError,
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
)

T = TypeVar("T")

REFUSED = "ASM01"
"""
The SQLSTATE with which our triggers refuse a write, of which the detail says to what.
"""

# PostgreSQL, appendix A; the longest prefix that fits decides.
_BY_SQLSTATE: Mapping[str, type[StorageError]] = {
    "": StorageError,
    "08": StorageUnavailableError,
    # Also what a pooler says of a startup parameter that it does not take.
    "08P01": StorageError,
    "25006": StorageUnavailableError,
    "40001": StorageBusyError,
    "40003": StorageUnavailableError,
    "40P01": StorageBusyError,
    "42501": PermissionDeniedError,
    "42703": MigrationRequiredError,
    "42P01": MigrationRequiredError,
    "53": StorageUnavailableError,
    "53100": StorageError,
    "55P03": StorageBusyError,
    "57014": StorageBusyError,
    "57P": StorageUnavailableError,
    "57P04": StorageError,
}

# SQLite, "Result and Error Codes"; the longest prefix that fits decides. A missing
# table is plain SQLITE_ERROR there, so it cannot be told from a wrong statement.
_BY_SQLITE_CODE: Mapping[str, type[StorageError]] = {
    "": StorageError,
    "SQLITE_BUSY": StorageBusyError,
    "SQLITE_INTERRUPT": StorageBusyError,
    "SQLITE_LOCKED": StorageBusyError,
    "SQLITE_NOMEM": StorageUnavailableError,
    "SQLITE_PROTOCOL": StorageBusyError,
    "SQLITE_SCHEMA": StorageBusyError,
}

# Every family of sqlalchemy.exc that comes without a code of the database's.
_BY_CLASS: Mapping[type[exc.SQLAlchemyError], type[StorageError]] = {
    exc.ArgumentError: StorageError,
    exc.CircularDependencyError: StorageError,
    exc.CompileError: StorageError,
    exc.DisconnectionError: StorageUnavailableError,
    exc.IdentifierError: StorageError,
    exc.InvalidRequestError: StorageError,
    exc.ResourceClosedError: StorageUnavailableError,
    exc.StatementError: StorageError,
    exc.TimeoutError: StorageUnavailableError,
    exc.UnboundExecutionError: StorageError,
    exc.UnreflectableTableError: StorageError,
}

_NO_ROOM = "; there is no room left: make some, and the same call will succeed"
_DAMAGED = (
    "; the database is damaged: keep a copy, see what `asm health`"
    " finds, export what can still be read, and go on with a backup"
)
_POOLED = (
    "; a pooler such as PgBouncer stands between, so statements cannot stay prepared:"
    " give the URL ?statement_cache_size=0"
)
_NOT_TRUSTED = (
    "; give the URL sslrootcert=FILE with the certificate of the authority that signed"
    " the server's, or set PGSSLROOTCERT"
)

# What to do about it, by the longest prefix of the code.
_ADVICE: Mapping[str, str] = {
    "": "",
    "25006": (
        "; the server takes no writes: it is a standby, a primary that was demoted, or"
        " set to be read-only"
    ),
    "26000": _POOLED,
    "42501": (
        "; connect as a role that may do this, or have the tables' owner grant it"
        " (schema/postgresql-roles.sql)"
    ),
    "42P05": _POOLED,
    "42P07": (
        "; something of this name is there already: drop it if nothing needs it, or"
        " give asm_async a schema of its own"
    ),
    "53100": _NO_ROOM,
    "57014": (
        "; the server's statement_timeout is shorter than this takes, or somebody"
        " cancelled it: raise it for this role or in the URL's options, or ask for less"
    ),
    "SQLITE_BUSY": "; another process holds the lock: let it write in short pieces",
    "SQLITE_CANTOPEN": (
        "; its directory must exist, and this process must be allowed to write there"
    ),
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_FULL": _NO_ROOM,
    "SQLITE_IOERR": (
        "; the disk failed, or a quota is used up: the system's log says which"
    ),
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_READONLY": (
        "; the file, its directory or the URL's mode lets nobody write: allow it"
    ),
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}

# Of asyncpg's errors without a code. The last three are below the second: all servers
# are standbys, as they are until one is promoted; what was cached of the schema is out
# of date, and forgotten now; what came in makes no sense.
_UNUSABLE = frozenset(
    {
        "InterfaceError",
        "InternalClientError",
        "TargetServerAttributeNotMatched",
        "OutdatedSchemaCacheError",
        "ProtocolError",
    }
)

_COLLISIONS = frozenset(
    {"23505", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"}
)

# After these it is not known whether a COMMIT was carried out: the connection was lost,
# or the server went down. With any other code the database says that it was not.
_UNKNOWN = ("08", "40003", "57P", "SQLITE_IOERR", "SQLITE_NOMEM")

_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002")

# After these a connection to a file stays as it is, though the file be mended: with
# pages that it has read, or opened for reading alone.
_DISABLING = ("SQLITE_CORRUPT", "SQLITE_IOERR", "SQLITE_NOTADB", "SQLITE_READONLY")


@contextmanager
def translated_errors(*, committing: bool = False) -> Generator[None]:
    """
    Turn whatever the driver or SQLAlchemy raises inside into a ``StorageError``.

    Cancellation, our own errors and everything else pass untouched.

    Args:
        committing:
            A COMMIT is all that happens inside. If it fails without the database's word
            that nothing was committed, the error's outcome is unknown.
    """
    try:
        yield
    except ASMError:
        raise
    except Exception as error:
        translation = _translation(error)
        if translation is None:
            raise
        outcome_unknown = committing and not _is_refusal(error)
        raise translation(_message(error), outcome_unknown) from error


def with_outcome(error: StorageError, *, outcome_unknown: bool) -> StorageError:
    """
    Return the same in an error of its own, which says whether the outcome is known.
    """
    own = type(error)(str(error.args[0]), outcome_unknown)
    own.__cause__ = error.__cause__
    return own


def is_collision(error: StorageError) -> bool:
    """
    Return whether a unique constraint fired: someone else inserted the row first.
    """
    return error.__cause__ is not None and code_of(error.__cause__) in _COLLISIONS


def is_read_only(error: BaseException) -> bool:
    """
    Return whether the server takes no writes, though another may by now.
    """
    return code_of(error) == "25006"


def is_cut_short(error: BaseException) -> bool:
    """
    Return whether the server cancelled a statement that took too long for it.
    """
    return code_of(error) == "57014"


def is_damage(error: StorageError) -> bool:
    """
    Return whether the database found itself to be damaged.
    """
    cause = error.__cause__
    if cause is None:
        return False
    return _is_unreadable(_innermost(cause)) or (code_of(cause) or "").startswith(
        _DAMAGE
    )


def requires_reconnect(error: BaseException) -> bool:
    """
    Return whether another connection may succeed once what failed here is mended.
    """
    return (code_of(error) or "").startswith(_DISABLING)


def _translation(error: BaseException) -> type[StorageError] | None:
    code = code_of(error)
    if _is_lost(error):
        return StorageUnavailableError
    if code is not None:
        return _longest_prefix(
            _BY_SQLITE_CODE if code.startswith("SQLITE_") else _BY_SQLSTATE, code
        )
    told = _innermost(error)
    if isinstance(error, OSError) or _is_unusable(told):
        is_refused = isinstance(told, SSLCertVerificationError)
        return StorageError if is_refused else StorageUnavailableError
    if isinstance(error, exc.SQLAlchemyError):
        families = (
            _BY_CLASS[kind] for kind in type(error).__mro__ if kind in _BY_CLASS
        )
        return next(families, StorageError)
    if _is_unreadable(error):
        return StorageError
    return StorageError if _is_driver_error(error) else None


def _is_refusal(error: BaseException) -> bool:
    """
    Return whether the database itself answered that it does not commit.
    """
    code = code_of(error)
    if is_read_only(error):
        # A server that is read-only has written nothing, whatever it is later.
        return True
    if code is None or _is_lost(error):
        return False
    return not code.startswith(_UNKNOWN)


def _is_lost(error: BaseException) -> bool:
    is_lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    return is_lost and not requires_reconnect(error)


def code_of(error: BaseException) -> str | None:
    """
    Return the SQLSTATE, or SQLite's name of the result code, that an error came with.
    """
    seen: BaseException | None = error
    while seen is not None:
        for attribute in ("sqlite_errorname", "sqlstate"):
            code = getattr(seen, attribute, None)
            if isinstance(code, str):
                return code
        seen = getattr(seen, "orig", None) or seen.__cause__
    return None


def refused_beginning(error: BaseException) -> str | None:
    """
    Return which sessions a trigger refused to have written, if one did.

    Returns:
        Their ids up to the first slash.
    """
    if code_of(error) != REFUSED:
        return None
    detail = getattr(_innermost(error), "detail", None)
    return detail if isinstance(detail, str) else None


def _longest_prefix(table: Mapping[str, T], code: str) -> T:
    return table[max((p for p in table if code.startswith(p)), key=len)]


def _is_unusable(error: BaseException) -> bool:
    """
    Return whether asyncpg found a connection in no state to be used.

    Of one that the server is just ending it says so without a code, and SQLAlchemy does
    not take it for lost. What is the caller's fault, such as a wrong option, has other
    classes below these.
    """
    kind = type(error)
    is_asyncpg = kind.__module__.partition(".")[0] == "asyncpg"
    return is_asyncpg and kind.__name__ in _UNUSABLE


def _is_driver_error(error: BaseException) -> bool:
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return not modules.isdisjoint({"asyncpg", "sqlite3"})


def _message(error: BaseException) -> str:
    """
    Return what the database said, without the statement, which holds the caller's data.
    """
    told = _innermost(error)
    name = type(told).__name__
    if _is_unreadable(told):
        # The driver repeats the text.
        return f"{name}: what is stored cannot be read{_DAMAGED}"
    first = told.args[0] if told.args else ""
    # Only the first argument, where it is text: asyncpg's str() adds the refused row.
    text = first if isinstance(first, str) else str(told)
    advice = _longest_prefix(_ADVICE, code_of(error) or "")
    if isinstance(told, SSLCertVerificationError):
        advice = _NOT_TRUSTED
    return f"{name}: {text}{advice}" if text else f"{name}{advice}"


def _innermost(error: BaseException) -> BaseException:
    told = error
    while inner := getattr(told, "orig", None) or told.__cause__:
        told = inner
    return told


def _is_unreadable(error: BaseException) -> bool:
    """
    Return whether what the database holds could not be decoded: nothing else is, here.

    For a text that is not UTF-8 the driver has an error of its own, without a code.
    """
    is_drivers = isinstance(error, sqlite3.OperationalError)
    no_text = is_drivers and not hasattr(error, "sqlite_errorname")
    return no_text or isinstance(error, JSONDecodeError | UnicodeDecodeError)
