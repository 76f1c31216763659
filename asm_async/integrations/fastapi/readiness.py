"""
Whether the database answers, as often as anybody wants to know.
"""

from __future__ import annotations

import asyncio
import logging
from math import inf

from asm_async.errors import ASMError
from asm_async.ports.session_store import SessionStore

_LOG = logging.getLogger(__name__)

_MAX_AGE_SECONDS = 1.0


class Readiness:
    """
    One question to the database at a time, whose answer holds for a second.

    The question is a read of a single row. It waits for no writer, but for a connection
    where all of the pool are in use.

    Args:
        store: Which is asked.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._question: asyncio.Task[bool] | None = None
        self._holds_until = -inf
        self._was_ready = True

    async def is_ready(self, timeout: float) -> bool:
        """
        Return whether the database answers within *timeout* seconds, or did just now.
        """
        loop = asyncio.get_running_loop()
        question = self._question
        is_over = question is not None and question.done()
        if question is None or (is_over and loop.time() >= self._holds_until):
            # A prober that hangs up takes nobody else's answer away.
            question = self._question = loop.create_task(self._ask(timeout))
        await asyncio.wait({question}, timeout=timeout)
        # To break off a question takes time as well.
        return question.done() and not question.cancelled() and question.result()

    async def aclose(self) -> None:
        """
        Break off the question, if there is one, and wait for its end.
        """
        if self._question is not None:
            self._question.cancel()
            await asyncio.wait({self._question})

    async def _ask(self, timeout: float) -> bool:
        fault: str | None = None
        try:
            async with asyncio.timeout(timeout):
                await self._store.get_latest_sequence("health")
        except TimeoutError:
            fault = f"the database did not answer within {timeout} seconds"
        except ASMError as error:
            fault = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
            fault = f"the store failed with {type(error).__name__}"
        self._holds_until = asyncio.get_running_loop().time() + _MAX_AGE_SECONDS
        self._note(fault)
        return fault is None

    def _note(self, fault: str | None) -> None:
        """
        Log a change alone: probes come all the time.
        """
        if self._was_ready and fault is not None:
            _LOG.warning("the application is not ready: %s", fault)
        elif not self._was_ready and fault is None:
            _LOG.info("the application is ready again")
        self._was_ready = fault is None
