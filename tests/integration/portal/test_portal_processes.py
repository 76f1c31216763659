from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asm_async.portal import Portal, open_portal
from asm_async.testing.factories import make_session
from tests.integration.example_programs import without_warnings

ROOT = Path(__file__).parents[3]

BEGINNING = """
import asyncio, os, sys
from asm_async import Session
from asm_async.errors import StoreClosedError
from asm_async.portal import open_portal
portal = open_portal(sys.argv[1])
def save(name):
    session = Session.new(agent_id="a", id=name)
    portal.call(lambda: portal.opened.store.save_session(session))
"""

EXIT = """
save("ses_1")
async def follow():
    async for _ in portal.ports.feed.follow_session("ses_1"):
        pass
portal.call(lambda: portal.opened.store.list_sessions())
"""

FORK_USED = """
save("ses_1")
if (child := os.fork()) == 0:
    try:
        save("ses_2")
    except StoreClosedError as error:
        assert "forked" in str(error)
        try:
            with open_portal(sys.argv[1]) as portal:
                save("ses_3")
        except StoreClosedError as error:
            # What SQLite knows of the file's locks does not survive a fork.
            assert "sqlite" in sys.argv[1] and "spawn" in str(error)
        sys.exit(0)
    sys.exit(1)
_, status = os.waitpid(child, 0)
save("ses_4")
sys.exit(status)
"""

FORK_UNUSED = """
children = []
for number in range(2):
    if (child := os.fork()) == 0:
        save(f"ses_{number}")
        sys.exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] for child in children))
"""

WAIT = """
save("ses_1")
print("waiting", flush=True)
try:
    portal.call(lambda: asyncio.sleep(60))
except KeyboardInterrupt:
    save("ses_2")
    print("interrupted", flush=True)
"""


@pytest.fixture(
    params=["sqlite_file", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest) -> str:
    """
    Return a database that processes share.
    """
    if request.param == "sqlite_file":
        return str(request.getfixturevalue("migrated_sqlite_url"))
    return str(request.getfixturevalue("migrated_postgres_url"))


def begin(program: str, url: str) -> subprocess.Popen[str]:
    """
    Start a program in a process of its own.
    """
    return subprocess.Popen(  # noqa: S603 - this Python, on the texts above
        [sys.executable, "-W", "ignore", "-c", BEGINNING + program, url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def saved_sessions(url: str) -> list[str]:
    """
    Return the ids of what is stored.
    """
    with open_portal(url) as portal:
        sessions = portal.call(portal.opened.store.list_sessions)
    return sorted(session.id for session in sessions)


@pytest.mark.parametrize(
    ("program", "sessions"),
    [
        (EXIT, ["ses_1"]),
        (FORK_USED, ["ses_1", "ses_3", "ses_4"]),
        (FORK_UNUSED, ["ses_0", "ses_1"]),
    ],
    ids=["exit", "fork_used", "fork_unused"],
)
def test_a_process_ends_with_its_portal(
    program: str, sessions: list[str], url: str
) -> None:
    """
    Without a word at exit; in a forked child it serves only if it was not used before.
    """
    begun = time.monotonic()
    with begin(program, url) as process:
        output, errors = process.communicate(timeout=60)

    assert (process.returncode, output, without_warnings(errors)) == (0, "", "")
    expected = [name for name in sessions if name != "ses_3" or "sqlite" not in url]
    assert saved_sessions(url) == expected
    assert time.monotonic() - begun < 20


def test_ctrl_c_ends_a_synchronous_call(url: str) -> None:
    """
    It is cancelled in the portal's loop, and the portal goes on.
    """
    with begin(WAIT, url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, output) == (0, "interrupted\n")
    assert without_warnings(errors) == ""
    assert saved_sessions(url) == ["ses_1", "ses_2"]


def test_a_hop_costs_little(portal: Portal) -> None:
    """
    A call that does nothing comes back in less than two milliseconds, at the median.

    A bound that a busy machine keeps; what it takes on a quiet one is in the docs.
    """

    async def nothing() -> None:
        return None

    portal.call(lambda: portal.opened.store.save_session(make_session()))
    taken: list[float] = []
    for _ in range(200):
        begun = time.perf_counter()
        portal.call(nothing)
        taken.append(time.perf_counter() - begun)

    assert sorted(taken)[100] < 0.002
