"""
The database that a command works on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs

import asm_async
from asm_async.cli.decoding import decoding_ports
from asm_async.cli.logs import logging_to_stderr
from asm_async.cli.options import URL_VARIABLE, Options
from asm_async.errors import NotFoundError, ValidationError
from asm_async.ports.together import Ports

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

_SQLITE_ENDINGS = (".db", ".sqlite", ".sqlite3")


def on_ports(options: Options, work: Callable[[Ports], Awaitable[T]]) -> T:
    """
    Do *work* on the ports over the database, whose schema must be up to date.

    Raises:
        NotFoundError: If the database is an SQLite file that is not there.
    """
    url = existing_url(options)

    async def on_opened() -> T:
        async with asm_async.open_ports(url, timeout=options.timeout) as ports:
            return await work(decoding_ports(options, ports))

    return _run(options, on_opened)


def on_engine(
    options: Options,
    work: Callable[[AsyncEngine], Awaitable[T]],
    *,
    may_create: bool = False,
) -> T:
    """
    Do *work* on an engine of its own, whatever its database's schema is.

    Raises:
        NotFoundError: If the database is an SQLite file that is not there, unless the
            command *may_create* it.
    """
    # Not before it is needed: the help of a command must not wait for SQLAlchemy.
    from asm_async.sql import create_engine  # noqa: PLC0415 - said above

    engine = create_engine(url_of(options) if may_create else existing_url(options))

    async def on_made() -> T:
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return _run(options, on_made)


def on_primaries(
    options: Options,
    primaries: Sequence[str],
    work: Callable[[Mapping[str, AsyncEngine]], Awaitable[T]],
) -> T:
    """
    Do *work* on the engines of several primaries, each given as ``NAME=URL``.

    Raises:
        ValidationError: If one is not of this form.
    """
    # Not before it is needed: the help of a command must not wait for SQLAlchemy.
    from asm_async.sharding import shard_engine  # noqa: PLC0415 - said above

    engines: dict[str, AsyncEngine] = {}
    for each in primaries:
        name, separator, url = each.partition("=")
        if not separator:
            raise ValidationError(f"--primary: expected NAME=URL, got {each!r}")
        existing = existing_url(attrs.evolve(options, url=url))
        engines[name] = shard_engine(existing, is_mover=True)

    async def on_made() -> T:
        try:
            return await work(engines)
        finally:
            for engine in engines.values():
                await engine.dispose()

    return _run(options, on_made)


def url_of(options: Options) -> str:
    """
    Return the database's URL; the path of an SQLite file is made one.

    Raises:
        ValidationError: If there is none.
    """
    given = (options.url or "").strip()
    if not given:
        raise ValidationError(f"--url is missing, and {URL_VARIABLE} is not set")
    # What else has no scheme may be a URL with a mistake in it, and no name of a file.
    is_path = "://" not in given and (
        given.endswith(_SQLITE_ENDINGS) or Path(given).is_file()
    )
    return f"sqlite:///{_quoted(given)}" if is_path else given


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3F")


def existing_url(options: Options) -> str:
    """
    Return the database's URL, if it is not that of a file that is not there.
    """
    # Not before it is needed: the help of a command must not wait for SQLAlchemy.
    from asm_async.sql.dialects import database_file  # noqa: PLC0415 - said above
    from asm_async.sql.runtime.urls import read_url  # noqa: PLC0415 - said above

    url = url_of(options)
    path = database_file(*read_url(url))
    if path is not None and not Path(path).exists():
        raise NotFoundError(
            f"{path}: there is no such file; `asm db upgrade --url {options.url}`"
            " makes one"
        )
    return url


def _run(options: Options, work: Callable[[], Awaitable[T]]) -> T:
    threads_before = set(threading.enumerate())

    async def run() -> T:
        try:
            return await work()
        finally:
            await _end_threads(threads_before)

    with logging_to_stderr(options):
        return asyncio.run(run())


async def _end_threads(threads_before: set[threading.Thread]) -> None:
    """
    Wait, not for long, until no other threads run than ran before.

    A connection of aiosqlite that failed to open, or was given up, has a thread that
    still reports to the event loop, and shows a traceback if the loop is closed.
    """
    await asyncio.get_running_loop().shutdown_default_executor()
    for thread in set(threading.enumerate()) - threads_before:
        thread.join(timeout=1)
