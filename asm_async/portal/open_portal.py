"""
One portal for each database, shared by all of a process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeVar, cast

import attrs
import sqlalchemy as sa

from asm_async.errors import ValidationError
from asm_async.portal.portal import Portal, PortalPorts
from asm_async.portal.ports_thread import PortsThread
from asm_async.ports.together import Ports
from asm_async.sql.open import open_ports
from asm_async.sql.ports import SQLPorts
from asm_async.values import fields

T = TypeVar("T")


@attrs.define(eq=False)
class _SharedThread:
    """
    A thread that portals share, how it opens its ports, and how many they are.
    """

    url: str
    options: dict[str, Any]
    migrate: bool = False
    users: int = 0
    thread: PortsThread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.thread = PortsThread(self._open, self.options["timeout"] + 1.0)

    def another(self, ports: Ports) -> Ports:
        """
        Return ports over the same engine, to be closed by themselves.
        """
        engine = cast("SQLPorts", ports).engine
        return SQLPorts(engine, timeout=self.options["timeout"])

    def _open(self) -> AbstractAsyncContextManager[Ports]:
        return open_ports(self.url, migrate=self.migrate, **self.options)


class _SharedPortal(Portal):
    """
    A portal whose thread ends with the last that shares it.
    """

    def __init__(
        self,
        thread: PortsThread,
        leave: Callable[[], object],
        another: Callable[[Ports], Ports],
    ) -> None:
        self._begin(thread, leave, another)


class _SharedThreads:
    """
    The threads of this process's portals, by their URLs.
    """

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            # The threads stay with the parent, and so does a holder of the lock.
            os.register_at_fork(after_in_child=self._begin)

    def join(self, url: str, options: dict[str, Any], *, migrate: bool) -> Portal:
        """
        Return a portal over the thread for *url*.
        """
        with self._lock:
            shared = self._by_url.get(url)
            if shared is None:
                shared = self._by_url[url] = _SharedThread(url, options)
            elif shared.options != options:
                names = _differing(shared.options, options)
                raise ValidationError(
                    f"{names}: this process has a portal to the same database with"
                    " other options: pass the same, or make a Portal of your own"
                )
            # What is open has its tables, and what is not asks when it is opened.
            shared.migrate = shared.migrate or migrate
            shared.users += 1
        leave = partial(self._leave, shared)
        return _SharedPortal(shared.thread, leave, shared.another)

    def _leave(self, shared: _SharedThread) -> None:
        with self._lock:
            shared.users -= 1
            is_last = shared.users == 0
            if is_last and self._by_url.get(shared.url) is shared:
                del self._by_url[shared.url]
        if is_last:
            shared.thread.close()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._by_url: dict[str, _SharedThread] = {}


def _differing(first: dict[str, Any], second: dict[str, Any]) -> str:
    names = {*first, *second}
    return ", ".join(sorted(n for n in names if first.get(n) != second.get(n)))


# What one URL has one of in a process, as an engine has its state: see the function.
_THREADS = _SharedThreads()


def open_portal(
    url: str | sa.URL,
    *,
    migrate: bool = False,
    timeout: float = 30.0,
    **options: Any,
) -> Portal:
    """
    Return a portal to the ports over one database, usable from any thread and loop.

    All portals of a process to the same URL share a thread, an engine, and the
    transactions of what they write at the same time; the last that is closed closes
    them. A database in memory is one for all of them.

    Args:
        url: As for :func:`~asm_async.open_ports`.

        migrate: Bring the database's schema up to date first.

        timeout: As for :func:`~asm_async.open_ports`; also how long what was cancelled,
            or is closed, is waited for.

        options: As for :func:`~asm_async.open_ports`.

    Raises:
        ValidationError: If this process has a portal to the same URL with other
            options, or an argument is wrong. What :func:`~asm_async.open_ports` raises
            is raised where the ports are opened: by ``with``, ``async with``, or the
            first call.
    """
    text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    seconds = fields.amount(timeout, "timeout")
    return _THREADS.join(
        fields.text(text, "url"),
        {"timeout": seconds, **options},
        migrate=fields.boolean(migrate, "migrate"),
    )


def open_adapter(
    url: str | sa.URL,
    make: Callable[[PortalPorts], T],
    *,
    migrate: bool = False,
    timeout: float = 30.0,
    **options: Any,
) -> T:
    """
    Return an adapter over a portal that the adapter closes.

    For an adapter whose operations run in a :class:`~asm_async.portal.PortsRunner`: its
    ``close`` closes the portal too. If *make* raises, the portal is closed at once.

    Args:
        url: As for :func:`open_portal`, like *migrate*, *timeout* and *options*.

        make: Called with the portal's ports; returns the adapter.

        migrate: Bring the database's schema up to date first.

        timeout: As for :func:`open_portal`.

        options: As for :func:`open_portal`.

    Raises:
        ValidationError: As for :func:`open_portal`; also what *make* raises.
    """
    portal = open_portal(url, migrate=migrate, timeout=timeout, **options)
    try:
        return make(PortalPorts(portal, is_owner=True))
    except BaseException:
        portal.close()
        raise
