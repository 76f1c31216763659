"""
A process that is killed in the middle of a turn, or of a prune.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asm_async import open_ports
from asm_async.integrations.langgraph import AsmCheckpointSaver
from asm_async.transcripts import read_transcript
from tests.frameworks.langgraph.chats import texts_of, thread, values_of

ROOT = Path(__file__).parents[3]
KILLS = 6


def chat_until_killed(url: str, seconds: float) -> list[int]:
    """
    Have a process chat for some time, and kill it.

    Returns:
        The turns that it has acknowledged.
    """
    chatting = subprocess.Popen(  # noqa: S603 - this Python, on a script of ours
        [sys.executable, str(Path(__file__).with_name("killed_chat.py")), url],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert chatting.stdout is not None
    first = chatting.stdout.readline()
    time.sleep(seconds)
    chatting.kill()
    rest, _ = chatting.communicate()
    # The last line may be cut off.
    return [
        int(line)
        for line in (first + rest).splitlines(keepends=True)
        if line[-1:] == "\n"
    ]


@pytest.mark.timeout(180)
async def test_a_killed_process_loses_no_turn_that_it_has_told_of(
    framework_url: str | None,
) -> None:
    """
    After each kill the thread is whole: every acknowledged turn, in order, once.

    The next process goes on from there, though the last was killed while it put
    checkpoints or pruned them.
    """
    if framework_url is None:
        return
    told = -1
    for _ in range(KILLS):
        seconds = random.uniform(0.05, 0.6)
        turns = chat_until_killed(framework_url, seconds)
        assert turns == list(range(turns[0], turns[-1] + 1))
        assert turns[0] >= told + 1
        told = turns[-1]
        async with open_ports(framework_url) as ports:
            saver = AsmCheckpointSaver(ports)
            values = await values_of(saver, thread("t"))
            texts = [text.split()[0] for text in texts_of(values)[::2]]
            assert texts == [str(turn) for turn in range(len(texts))]
            assert len(texts) > told
            transcript = await read_transcript(ports.store, "langgraph/t")
            assert len(transcript.messages) == len(values["messages"])
            if len(values["messages"]) % 2:
                # Killed before the answer: the next turn is the next question.
                await saver.adelete_thread("t")
                told = -1
    async with open_ports(framework_url) as ports:
        await AsmCheckpointSaver(ports).aprune(["t"])
