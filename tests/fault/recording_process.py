"""
A process that records a run, step by step, as it is told to.

It takes a URL, the id of a session and how long its lease lasts. It says "begun RUN_ID"
when the run has begun. At each line that it reads it takes a step, and says "stored",
or "lost CODE" with the code of the error by which it learns that somebody else has
ended its run. At the end of its input it ends the run, and says "ended", or "lost
CODE".
"""

from __future__ import annotations

import asyncio
import sys

from asm_async import errors, open_store
from asm_async.recording import record_run


async def main(url: str, session_id: str, lease: str) -> None:
    """
    Record a run, and read orders beside, so that the lease can be renewed.
    """
    async with open_store(url) as store:
        try:
            async with record_run(store, session_id, lease=float(lease)) as run:
                say(f"begun {run.id}")
                while await asyncio.to_thread(sys.stdin.readline):
                    await run.message_sent("Are you there?")
                    say("stored")
        except errors.LeaseLostError as error:
            say(f"lost {error.code}")
        else:
            say("ended")


def say(line: str) -> None:
    """
    Tell the test at once.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


asyncio.run(main(*sys.argv[1:]))
