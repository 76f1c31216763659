"""
The streams that an application has open, so that it can end them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus

from asm_async.integrations.fastapi.problems import ProblemError

__all__ = ["OpenStreams"]


class OpenStreams:
    """
    The open streams of an application, in one event loop.
    """

    def __init__(self) -> None:
        self._endings: set[asyncio.Future[None]] = set()
        self._is_ending = False

    def __len__(self) -> int:
        return len(self._endings)

    @contextmanager
    def join(self, limit: int) -> Generator[asyncio.Future[None]]:
        """
        Take one of *limit* places while the block lasts.

        Yields:
            A future that is done as soon as the stream is to end.

        Raises:
            ProblemError: If there is no place left.
        """
        if len(self._endings) >= limit:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too_many_streams",
                "As many streams are open as this server holds open.",
                headers={"Retry-After": "5"},
            )
        ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._is_ending:
            ending.set_result(None)
        self._endings.add(ending)
        try:
            yield ending
        finally:
            self._endings.discard(ending)

    def end(self) -> None:
        """
        End all streams, and each that is opened from now on at once.
        """
        self._is_ending = True
        for ending in self._endings:
            if not ending.done():
                ending.set_result(None)
