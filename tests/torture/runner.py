"""
One campaign at a time: begun, bounded, interrupted and judged.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import attrs

from tests.fault.leftovers import wait_for_other_tasks
from tests.torture.campaign import Campaign, Database, Setting, Tally

__all__ = ["Interruption", "Order", "Outcome", "run_campaign"]

Tell = Callable[[str], None]

_GRACE_SECONDS = 300.0


@attrs.frozen(kw_only=True)
class Order:
    """
    One campaign on one kind of database.
    """

    campaign: Campaign
    database: Database
    faults: int
    seed: int
    seconds: float
    """
    After how long no more faults are brought about.
    """

    grace: float = _GRACE_SECONDS
    """
    After how many seconds more a campaign that has not ended by itself is broken off.
    """

    @property
    def name(self) -> str:
        """
        What the progress calls it.
        """
        return f"{self.campaign.name} on {self.database}"

    @property
    def command(self) -> str:
        """
        How to run it again.
        """
        return (
            f"python -m tests.torture --only {self.campaign.name}"
            f" --database {self.database} --seed {self.seed} --faults {self.faults}"
        )


@attrs.frozen(kw_only=True)
class Outcome:
    """
    What came of an order.
    """

    order: Order
    seconds: float
    tally: Tally | None = None
    """
    What was done; None if a violation was found.
    """

    violation: str | None = None
    """
    What went wrong, in one line.
    """

    directory: Path | None = None
    """
    Where everything is kept that has to do with the violation.
    """


@attrs.define
class Interruption:
    """
    The wish to end: once for "when it is checked", twice for "at once".
    """

    tell: Tell
    is_asked: bool = False

    @contextmanager
    def listening(self, task: asyncio.Task[Any]) -> Generator[None]:
        """
        Take Ctrl-C as such a wish while *task* runs.
        """

        def interrupt() -> None:
            if self.is_asked:
                task.cancel()
            self.is_asked = True
            self.tell("ending; once more to break off at once")

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)


def run_campaign(order: Order, interruption: Interruption, tell: Tell) -> Outcome:
    """
    Run a campaign on an event loop of its own, and tell what came of it.

    Its directory is kept if there was a violation: anything it raised, a task it left
    behind, or that it did not end.

    Raises:
        KeyboardInterrupt: If it was broken off by the second wish to end.
    """
    directory = Path(tempfile.mkdtemp(prefix="asm-torture-"))
    start = time.monotonic()
    setting = Setting(
        database=order.database,
        faults=order.faults,
        # A campaign meets the same chances alone and among all others.
        random=Random(f"{order.seed}/{order.name}"),
        directory=directory,
        tell=lambda line: tell(f"{order.name}: {line}"),
        is_over=lambda: (
            interruption.is_asked or time.monotonic() - start > order.seconds
        ),
    )
    try:
        # With a factory the runner leaves the thread's current event loop alone.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            tally = runner.run(_run(order, setting, interruption))
    except (KeyboardInterrupt, asyncio.CancelledError):
        shutil.rmtree(directory, ignore_errors=True)
        raise KeyboardInterrupt from None
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
        text = traceback.format_exc()
        (directory / "violation.txt").write_text(f"{order.command}\n\n{text}")
        return Outcome(
            order=order,
            seconds=time.monotonic() - start,
            violation="; ".join(_messages(error)),
            directory=directory,
        )
    shutil.rmtree(directory, ignore_errors=True)
    return Outcome(order=order, seconds=time.monotonic() - start, tally=tally)


async def _run(order: Order, setting: Setting, interruption: Interruption) -> Tally:
    bounded = _bounded(order.campaign.run(setting), order.seconds + order.grace)
    task = asyncio.ensure_future(bounded)
    with interruption.listening(task):
        tally = await task
    await wait_for_other_tasks(min(order.grace, 5))
    return tally


async def _bounded(running: Awaitable[Tally], seconds: float) -> Tally:
    bound = asyncio.timeout(seconds)
    try:
        async with bound:
            return await running
    except TimeoutError:
        if bound.expired():
            raise AssertionError(f"it has not ended after {seconds:.0f} s") from None
        raise


def _messages(error: BaseException) -> list[str]:
    """
    Return what an error says, or those that a group of errors is made of.
    """
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [line for one in group.exceptions for line in _messages(one)]
    if text := str(error):
        return [f"{type(error).__name__}: {text.splitlines()[0]}"]
    *_, place = traceback.extract_tb(error.__traceback__)
    return [f"{type(error).__name__} in {place.name}: {place.line}"]
