"""
The console alone, served to this machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

from asm_async.console.mount import console_app
from asm_async.console.policy import KnownHosts, SecureHeaders
from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import Limits
from asm_async.integrations.fastapi.lifespan import lifespan
from asm_async.values.token_price import PriceLookup

DEFAULT_PORT = 8321
"""
Where the console is served unless another port is named.
"""

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def serve(
    url: str | sa.URL,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    writable: bool = False,
    allow_remote: bool = False,
    allowed_hosts: Collection[str] = (),
    price_lookup: PriceLookup | None = None,
) -> None:
    """
    Serve the console over a database until the process is asked to stop.

    It asks nobody who they are: everybody who reaches it sees all tenants' sessions. So
    it listens to this machine alone, and answers only requests to names of this
    machine. For others, put a proxy before it that asks who they are, or
    :func:`~asm_async.console.mount.mount` the console in an application that does.

    Args:
        url: As for :func:`~asm_async.open_store`. The schema must be there.

        host: The address to listen on: of this machine, unless *allow_remote*.

        port: The port to listen on; 0 for any that is free.

        writable: Whether sessions can be renamed, tagged, deleted and restored.

        allow_remote: Whether other machines may reach it, as within a container.

        allowed_hosts: Further names under which browsers reach it, such as that of a
            proxy, as they stand in the field ``Host``, without a port.

        price_lookup: As for :func:`~asm_async.console.mount.mount`.

    Raises:
        ValidationError: If *host* is no loopback address and *allow_remote* is not set.

        OSError: If the port is taken.
    """
    check_host(host, allow_remote=allow_remote)
    app = served_app(
        url,
        hosts={host, *_LOOPBACK_NAMES, *allowed_hosts},
        writable=writable,
        price_lookup=price_lookup,
    )
    uvicorn.run(
        app, host=host, port=port, log_level="warning", server_header=False, ws="none"
    )


def served_app(
    url: str | sa.URL,
    *,
    hosts: Collection[str],
    writable: bool = False,
    price_lookup: PriceLookup | None = None,
) -> FastAPI:
    """
    Make the application that :func:`serve` serves.
    """
    app = FastAPI(openapi_url=None, lifespan=lifespan(url))
    console = console_app(
        app,
        authorize=_everybody,
        read_only=not writable,
        price_lookup=price_lookup,
        limits=Limits(),
    )
    app.mount("/", SecureHeaders(KnownHosts(console, hosts)))
    return app


async def _everybody() -> None:
    return None


def check_host(host: str, *, allow_remote: bool) -> None:
    """
    Refuse to listen to other machines, unless that is wanted.

    Raises:
        ValidationError: If *host* is no address of this machine alone.
    """
    if allow_remote or host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValidationError(
            f"host: {host!r} is no address of this machine alone, and the console asks"
            " nobody who they are. Put a proxy before 127.0.0.1 that does, or mount the"
            " console in an application; allow_remote=True serves everybody who reaches"
            " this host"
        )
