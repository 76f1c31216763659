"""
The console alone, served to this machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

from asm_async.console.mount import console_app
from asm_async.console.policy import KnownHosts, SecureHeaders
from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import ALL_TENANTS, Access, Limits
from asm_async.integrations.fastapi.lifespan import ports_lifespan
from asm_async.ports.together import Ports
from asm_async.sql.open import open_ports
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
    through: Callable[[Ports], Ports] | None = None,
    on_ready: Callable[[str], object] | None = None,
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

        through: Makes the ports that are shown of the database's own, such as those
            that decrypt.

        on_ready: Called with the console's URL once it is served.

    Raises:
        ValidationError: If *host* is no loopback address and *allow_remote* is not set.

        OSError: If the port is taken, or *host* is no address of this machine.

        MigrationRequiredError: As :func:`~asm_async.open_ports` does, and what else
            that does.
    """
    check_host(host, allow_remote=allow_remote)
    is_ipv6 = ":" in host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    # Before the database is opened: that a port is taken is an error of its own.
    with socket.create_server((host, port), family=family) as listener:
        name = f"[{host}]" if is_ipv6 else host
        address = f"http://{name}:{listener.getsockname()[1]}/"

        async def run() -> None:
            async with open_ports(url) as ports:
                app = served_app(
                    ports if through is None else through(ports),
                    hosts={host, *_LOOPBACK_NAMES, *allowed_hosts},
                    writable=writable,
                    price_lookup=price_lookup,
                )
                config = uvicorn.Config(
                    app, log_level="warning", server_header=False, ws="none"
                )
                await _Server(config, address, on_ready).serve(sockets=[listener])

        asyncio.run(run())


class _Server(uvicorn.Server):
    """
    A server that says where it serves, and ends like a function.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        address: str,
        on_ready: Callable[[str], object] | None,
    ) -> None:
        super().__init__(config)
        self._address = address
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """
        Have signals end the server, and nothing else.

        The server's own way is to raise them once more when it has ended, which would
        cancel what closes the database.
        """
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """
        Begin to serve.
        """
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready(self._address)


def served_app(
    ports: Ports,
    *,
    hosts: Collection[str],
    writable: bool = False,
    price_lookup: PriceLookup | None = None,
) -> FastAPI:
    """
    Make the application that :func:`serve` serves.
    """
    app = FastAPI(openapi_url=None, lifespan=ports_lifespan(ports))
    console = console_app(
        app,
        authorize=_everybody,
        read_only=not writable,
        price_lookup=price_lookup,
        limits=Limits(),
    )
    app.mount("/", SecureHeaders(KnownHosts(console, hosts)))
    return app


async def _everybody() -> Access:
    return ALL_TENANTS


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
