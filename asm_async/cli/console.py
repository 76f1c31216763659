"""
``asm console``: the web console.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Annotated

from cyclopts import Parameter

from asm_async.cli.database import existing_url
from asm_async.cli.decoding import decoding_ports
from asm_async.cli.list_prices import list_prices
from asm_async.cli.logs import logging_to_stderr
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import say
from asm_async.cli.screen import Screen
from asm_async.errors import MissingDependencyError


def serve_console(
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    writable: Annotated[bool, Parameter(show_default=False)] = False,
    allow_remote: Annotated[bool, Parameter(show_default=False)] = False,
    allowed_host: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    options: Options = DEFAULTS,
) -> None:
    """
    Serve the web console until Ctrl-C.

    It needs the extra "console". Only this machine can reach it, and it changes
    nothing, unless told otherwise. With --json it prints an object with the member
    "url" once it is served.

    Args:
        host: The address to listen on.

        port: The port to listen on; 0 for any that is free.

        writable: Allow renaming, tagging, deleting and restoring sessions.

        allow_remote: Let other machines reach it: it asks nobody who they are.

        allowed_host: A further name that browsers know it by; may be repeated.
    """
    url = existing_url(options)
    try:
        console = import_module("asm_async.console")
    except ModuleNotFoundError as error:
        raise MissingDependencyError("the console", "console") from error
    with logging_to_stderr(options):
        console.serve(
            url=url,
            host=host,
            port=port,
            writable=writable,
            allow_remote=allow_remote,
            allowed_hosts=allowed_host,
            price_lookup=list_prices(),
            through=partial(decoding_ports, options),
            on_ready=partial(_served, options),
        )


def _served(options: Options, address: str) -> None:
    if options.as_json:
        screen = Screen()
        screen.json({"url": address})
        screen.flush()
    else:
        say(options, f"serving {address} until Ctrl-C")
