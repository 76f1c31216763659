"""
``asm console``: the web console.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

from cyclopts import Parameter

from asm_async.cli.database import existing_url
from asm_async.cli.logs import logging_to_stderr
from asm_async.cli.options import DEFAULTS, Options
from asm_async.errors import MissingDependencyError


def serve_console(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    writable: Annotated[bool, Parameter(show_default=False)] = False,
    options: Options = DEFAULTS,
) -> None:
    """
    Serve the web console until Ctrl-C.

    It needs the extra "console". It can be reached from this machine alone, unless
    --host says otherwise, and changes nothing, unless --writable does.

    Args:
        host: The address to listen on.

        port: The port to listen on.

        writable: Allow deleting and other changes.
    """
    url = existing_url(options)
    try:
        console = import_module("asm_async.console")
    except ModuleNotFoundError as error:
        raise MissingDependencyError("the console", "console") from error
    with logging_to_stderr(options):
        console.serve(url=url, host=host, port=port, writable=writable)
