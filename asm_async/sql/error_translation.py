"""
What a driver or SQLAlchemy raises, as our errors: by SQLSTATE and SQLite result code.

Never by the message's text, which changes with versions and languages.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from sqlalchemy import exc

from asm_async.errors import (
    ASMError,
    MigrationRequiredError,
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
)

__all__ = ["is_collision", "is_damage", "retold", "translated_errors"]

# PostgreSQL, appendix A; the longest prefix that fits decides.
_BY_SQLSTATE: Mapping[str, type[StorageError]] = {
    "": StorageError,
    "08": StorageUnavailableError,
    "25006": StorageUnavailableError,
    "40001": StorageBusyError,
    "40003": StorageUnavailableError,
    "40P01": StorageBusyError,
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

_COLLISIONS = frozenset(
    {"23505", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"}
)

_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002")


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
        outcome_unknown = committing and not _is_refusal(error, translation)
        raise translation(_message(error), outcome_unknown) from error


def retold(error: StorageError, *, outcome_unknown: bool) -> StorageError:
    """
    Tell the same in an error of its own, which says whether the outcome is known.
    """
    own = type(error)(str(error.args[0]), outcome_unknown)
    own.__cause__ = error.__cause__
    return own


def is_collision(error: StorageError) -> bool:
    """
    Tell whether a unique constraint fired: someone else inserted the row first.
    """
    return error.__cause__ is not None and _code(error.__cause__) in _COLLISIONS


def is_damage(error: StorageError) -> bool:
    """
    Tell whether the database found itself to be damaged.
    """
    code = None if error.__cause__ is None else _code(error.__cause__)
    return code is not None and code.startswith(_DAMAGE)


def _translation(error: BaseException) -> type[StorageError] | None:
    """
    Find the error that *error* should become, None if it is not the database's.
    """
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return StorageUnavailableError
    code = _code(error)
    if code is not None:
        return _longest_prefix(
            _BY_SQLITE_CODE if code.startswith("SQLITE_") else _BY_SQLSTATE, code
        )
    if isinstance(error, exc.SQLAlchemyError):
        families = (
            _BY_CLASS[kind] for kind in type(error).__mro__ if kind in _BY_CLASS
        )
        return next(families, StorageError)
    if isinstance(error, OSError):
        return StorageUnavailableError
    return StorageError if _is_driver_error(error) else None


def _is_refusal(error: BaseException, translation: type[StorageError]) -> bool:
    """
    Tell whether the database itself answered that it does not commit.
    """
    code = _code(error)
    if code is None or translation is StorageUnavailableError:
        return False
    return not code.startswith("SQLITE_IOERR")


def _code(error: BaseException) -> str | None:
    """
    Read SQLSTATE or SQLite's code off *error* or the driver's error that it wraps.
    """
    seen: BaseException | None = error
    while seen is not None:
        for attribute in ("sqlite_errorname", "sqlstate"):
            code = getattr(seen, attribute, None)
            if isinstance(code, str):
                return code
        seen = getattr(seen, "orig", None) or seen.__cause__
    return None


def _longest_prefix(
    table: Mapping[str, type[StorageError]], code: str
) -> type[StorageError]:
    return table[max((p for p in table if code.startswith(p)), key=len)]


def _is_driver_error(error: BaseException) -> bool:
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return not modules.isdisjoint({"asyncpg", "sqlite3"})


def _message(error: BaseException) -> str:
    """
    Say what the database said, without the statement, which holds the caller's data.
    """
    told = error
    while inner := getattr(told, "orig", None) or told.__cause__:
        told = inner
    first = told.args[0] if told.args else ""
    # Only the first argument, where it is text: asyncpg's str() adds the refused row.
    text = first if isinstance(first, str) else str(told)
    return f"{type(told).__name__}: {text}" if text else type(told).__name__
