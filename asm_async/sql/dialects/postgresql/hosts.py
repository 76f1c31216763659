"""
Connecting: to one host, or to the first of several that answers and fits.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from asm_async.errors import StorageUnavailableError
from asm_async.fronts.log_records import LogThrottle
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.dialects.postgresql.timelines import Timelines
from asm_async.sql.dialects.postgresql.tls import TLS

if TYPE_CHECKING:
    from asm_async.sql.dialects.postgresql.driver import Driver

_LOG = logging.getLogger(__name__)

_Address: TypeAlias = tuple[str, int]

# As asyncpg has it, for all hosts together.
_MAX_SECONDS = 60.0

# What a host is given while others wait to be asked: to connect takes less than eight
# round trips, of which one around the world takes a third of a second. Where no host
# has answered anything, all may be slow, and have more time.
_SECONDS_FOR_A_HOST = 2.5
_SECONDS_FOR_SLOW_HOSTS = 10.0

# A host that does not answer for so long is asked last, for half a minute.
_SECONDS_TO_ANSWER = 1.0
_SECONDS_TO_AVOID = 30.0

_PREFER_STANDBY = "prefer-standby"


def engine_options(connect_args: dict[str, Any]) -> dict[str, Any]:
    """
    Return what SQLAlchemy is given, unless the caller says otherwise.

    Raises:
        ValidationError: If a certificate that the URL names cannot be read.
    """
    if isinstance(tls := connect_args.get("ssl"), TLS):
        # Better now than at the first connection, which reads it again.
        context = tls.context()
        if "async_creator_fn" in connect_args:
            connect_args = connect_args | {"ssl": context}
    return {"connect_args": {"async_creator_fn": Connector()} | connect_args}


class Connector:
    """
    Opens the connections of one engine.

    asyncpg spends its timeout on the first host that is silent, such as one that is
    frozen, so that the second is never asked. Here each host has a share of the time.
    """

    def __init__(self) -> None:
        self._silent_since: dict[_Address, float] = {}
        self._timelines = Timelines()
        self._log_throttle = LogThrottle()

    async def __call__(self, **arguments: Any) -> Driver:
        """
        Open a connection; *arguments* are those of ``asyncpg.connect``.

        Raises:
            StorageUnavailableError: If none of several hosts could be connected to, or
                none is what ``target_session_attrs`` asks for.
        """
        if isinstance(tls := arguments.get("ssl"), TLS):
            arguments["ssl"] = tls.context()
        if not isinstance(arguments.get("host"), list):
            return await _connect(**arguments)
        hosts, ports = arguments.pop("host"), arguments.pop("port")
        return await self._first_that_fits([*zip(hosts, ports, strict=True)], arguments)

    async def _first_that_fits(
        self, addresses: Sequence[_Address], arguments: dict[str, Any]
    ) -> Driver:
        timeout = arguments.pop("timeout", _MAX_SECONDS)
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        # asyncpg, which is given one host at a time, could not prefer any.
        wanted = arguments.get("target_session_attrs") or os.environ.get(
            "PGTARGETSESSIONATTRS"
        )
        failures: dict[_Address, StorageUnavailableError] = {}

        async def ask_each(these: Sequence[_Address], seconds: float) -> Driver | None:
            for number, address in enumerate(these):
                share = (deadline - time.monotonic()) / (len(these) - number)
                arguments["timeout"] = min(seconds, share)
                try:
                    with translated_errors():
                        return await self._ask(address, arguments)
                except StorageUnavailableError as error:
                    failures[address] = error
            return None

        for attribute in ("standby", "any") if wanted == _PREFER_STANDBY else (wanted,):
            arguments["target_session_attrs"] = attribute
            if driver := await ask_each(self._in_order(addresses), _SECONDS_FOR_A_HOST):
                return driver
        causes = {address: error.__cause__ for address, error in failures.items()}
        silent = [each for each in causes if isinstance(causes[each], TimeoutError)]
        # Where one answered that it does not fit, it may fit soon: it is asked again
        # by a further attempt, before those that are silent.
        if not all(isinstance(cause, OSError) for cause in causes.values()):
            silent = []
        if driver := await ask_each(silent, _SECONDS_FOR_SLOW_HOSTS):
            return driver
        told = "; ".join(
            f"{host}:{port}: {failures[host, port]}" for host, port in causes
        )
        message = f"none of {len(addresses)} hosts can be used now: {told}"
        raise StorageUnavailableError(message) from causes[addresses[-1]]

    def _in_order(self, addresses: Sequence[_Address]) -> Sequence[_Address]:
        """
        Put those last that were silent a short while ago; otherwise the order is kept.
        """
        since, avoided = self._silent_since, time.monotonic() - _SECONDS_TO_AVOID
        return sorted(addresses, key=lambda each: since.get(each, -math.inf) > avoided)

    async def _ask(self, address: _Address, arguments: Mapping[str, Any]) -> Driver:
        host, port = address
        began = time.monotonic()
        try:
            driver = await _connect(host=host, port=port, **arguments)
        except BaseException as error:
            now = time.monotonic()
            # A caller with little time may have given up before this host's was over.
            is_cancelled = isinstance(error, asyncio.CancelledError)
            if isinstance(error, TimeoutError) or (
                is_cancelled and now - began > _SECONDS_TO_ANSWER
            ):
                self._silent_since[address] = now
                self._log_throttle.log(
                    _LOG,
                    logging.WARNING,
                    "host %s, port %d did not answer, and is asked last for %.0f s",
                    *address,
                    _SECONDS_TO_AVOID,
                    key=address,
                )
            raise
        try:
            seconds = arguments["timeout"] - (time.monotonic() - began)
            await self._timelines.admit(driver, seconds)
        except BaseException:
            driver.terminate()
            raise
        self._silent_since.pop(address, None)
        self._log_throttle.end(_LOG, "host %s, port %d answers", *address, of=address)
        return driver


async def _connect(**arguments: Any) -> Driver:
    from asm_async.sql.dialects.postgresql.connection import (  # noqa: PLC0415 - asyncpg need not be installed
        connect,
    )

    return await connect(**arguments)
