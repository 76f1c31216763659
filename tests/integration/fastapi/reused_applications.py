"""
Applications that one test after the other serves.

An application's routes take most of the time of a test that asks one of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
from fastapi import FastAPI

from asm_async.integrations.fastapi.lifespan import Lifespan

__all__ = ["reused_application"]


@attrs.define(eq=False)
class _Application:
    """
    An application whose lifespan is that of the test that has it.
    """

    lifespan: Lifespan
    app: FastAPI = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.app = FastAPI(lifespan=self._enter)

    def _enter(self, app: FastAPI) -> AbstractAsyncContextManager[None]:
        return self.lifespan(app)

    def is_like_new(self) -> bool:
        """
        Return whether no test has left anything in it.
        """
        is_closed = not hasattr(self.app.state, "asm_async")
        return is_closed and not self.app.dependency_overrides


_IDLE: defaultdict[Hashable, list[_Application]] = defaultdict(list)


@asynccontextmanager
async def reused_application(
    lifespan: Lifespan, add: Callable[[FastAPI], None], key: Hashable
) -> AsyncGenerator[FastAPI]:
    """
    Yield an application that nobody else has, with a lifespan of its own.

    One that a test has failed with, or has changed, is not used again.

    Args:
        lifespan: What it has for as long as this lasts.

        add: Adds the routes to a new application.

        key: Says which routes these are.
    """
    idle = _IDLE[key]
    if idle:
        made = idle.pop()
        made.lifespan = lifespan
    else:
        made = _Application(lifespan)
        add(made.app)
    yield made.app
    if made.is_like_new():
        idle.append(made)
