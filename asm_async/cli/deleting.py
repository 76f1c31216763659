"""
``asm delete`` and ``asm restore``: sessions one by one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from cyclopts import Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import confirm, say
from asm_async.cli.screen import Screen
from asm_async.cli.texts import counted
from asm_async.ports.together import Ports

_Ids = Annotated[list[str], Parameter(metavar="SESSION_ID...")]


def delete_sessions(
    session_ids: _Ids,
    /,
    *,
    hard: Annotated[bool, Parameter(show_default=False)] = False,
    yes: Annotated[bool, Parameter(alias="-y", show_default=False)] = False,
    options: Options = DEFAULTS,
) -> None:
    """
    Delete sessions: mark them deleted, or remove them with all that belongs to them.

    A session that is marked is closed to writes and left out of lists, until asm
    restore, or until it is removed by asm prune. With --json it prints an object with
    the member "session_ids".

    Args:
        session_ids: Which sessions; nothing is deleted if there is none of an id.

        hard: Remove them for good.

        yes: Do not ask.
    """

    async def work(ports: Ports) -> None:
        for session_id in session_ids:
            await ports.store.get_session(session_id)
        how = " for good" if hard else ""
        confirm(f"Delete {_named(session_ids)}{how}?", yes=yes)
        delete: Callable[[str], Awaitable[object]] = (
            ports.store.delete_session
            if hard
            else ports.maintenance.soft_delete_session
        )
        await _each(session_ids, delete, "deleted", options)

    on_ports(options, work)


def restore_sessions(session_ids: _Ids, /, *, options: Options = DEFAULTS) -> None:
    """
    Undo the soft deletion of sessions.

    With --json it prints an object with the member "session_ids".

    Args:
        session_ids: Which sessions; one that is not deleted stays as it is.
    """

    async def work(ports: Ports) -> None:
        restore = ports.maintenance.restore_session
        await _each(session_ids, restore, "restored", options)

    on_ports(options, work)


def _named(session_ids: list[str]) -> str:
    if len(session_ids) == 1:
        return session_ids[0]
    return counted(len(session_ids), "session")


async def _each(
    session_ids: list[str],
    change: Callable[[str], Awaitable[object]],
    participle: str,
    options: Options,
) -> None:
    done: list[str] = []
    try:
        for session_id in session_ids:
            await change(session_id)
            done.append(session_id)
    finally:
        # Also before an error or Ctrl-C: what was done stays.
        if options.as_json:
            Screen().json({"session_ids": done})
        else:
            say(options, f"{participle} {_named(done) if done else 'nothing'}")
