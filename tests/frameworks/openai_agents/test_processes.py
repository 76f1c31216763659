"""
Sessions of several processes, some of which are killed.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time

import pytest

from asm_async import open_ports
from asm_async.values.maintenance import HealthIssueKind
from tests.frameworks.openai_agents.sdk_items import UntypedSession
from tests.frameworks.own_suites import ROOT

PROGRAM = "tests.frameworks.openai_agents.adding_process"


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "framework_url",
    ["sqlite_file", pytest.param("postgresql", marks=pytest.mark.postgres)],
    indirect=True,
)
async def test_killed_processes_leave_whole_batches(framework_url: str) -> None:
    """
    Nothing of killed processes is lost or there in part, and no item was popped twice.
    """
    chance = random.Random(7)
    said = await asyncio.gather(
        *(
            asyncio.to_thread(
                _work_and_die, framework_url, f"w{place}", chance.uniform(0.3, 1.0)
            )
            for place in range(3)
        )
    )

    async with open_ports(framework_url) as ports:
        found = await UntypedSession("chat", ports).get_items()
        events = await ports.store.get_events("chat")
        issues = await ports.maintenance.health_check()
    # The tests' own server is set so.
    assert {issue.kind for issue in issues} <= {HealthIssueKind.WEAK_DURABILITY}
    numbers = [event.sequence_number for event in events]
    assert numbered_without_hole(numbers)
    left = [item["id"] for item in found]
    popped = [name for lines in said for word, name in lines if word == "popped"]
    assert len(set(popped)) == len(popped)
    assert not set(popped) & set(left)
    # What was moved behind hidden ranges is there twice.
    stored = list(
        dict.fromkeys(
            event.data["original"]["id"] for event in events if "original" in event.data
        )
    )
    batch_of = [each.rsplit("-", 1)[0] for each in stored]
    assert len(stored) == 3 * len(set(batch_of))
    assert batch_of[::3] == batch_of[1::3] == batch_of[2::3]
    for place, lines in enumerate(said):
        for word, number in lines:
            if word == "added":
                assert f"w{place}-{number}-0" in stored


def numbered_without_hole(numbers: list[int]) -> bool:
    """
    Return whether these are 1, 2, 3 and so on.
    """
    return numbers == list(range(1, len(numbers) + 1))


def _work_and_die(url: str, name: str, lifetime: float) -> list[tuple[str, str]]:
    command = [sys.executable, "-m", PROGRAM, url, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:  # noqa: S603 - this Python
        assert process.stdout is not None
        # It is at work from its first line on.
        said = [process.stdout.readline()]
        time.sleep(lifetime)
        process.kill()
        said += process.stdout.readlines()
    whole = [line.decode().split() for line in said if line.endswith(b"\n")]
    return [(word, what) for word, what in whole if what != "None"]
