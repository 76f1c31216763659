"""
Events as they are appended, at a shell: live, resumed and broken off.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from asm_async import conventions as say
from asm_async import open_ports
from asm_async.cli.main import main
from asm_async.values.event import Event
from tests.cli.conftest import PROGRAM, Printed
from tests.shown_history import DRAFT, LAMP, TRIP


def append(url: str, *texts: str, session_id: str = DRAFT) -> None:
    """
    Append messages to a session, as another process would.
    """

    async def store() -> None:
        async with open_ports(url) as ports:
            for text in texts:
                event = say.message_sent(session_id=session_id, content=text)
                await ports.store.append_event(event)

    asyncio.run(store())


@contextmanager
def tailing(url: str, arguments: Sequence[object]) -> Generator[subprocess.Popen[str]]:
    """
    Follow events in a process of its own, which a failing test does not leave behind.
    """
    process = subprocess.Popen(  # noqa: S603 - the program under test
        [PROGRAM, "tail", *map(str, arguments), "--url", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    """
    Wait for the next line that a process prints.
    """
    assert process.stdout is not None
    return process.stdout.readline()


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    """
    Press Ctrl-C, and return the exit code and the last line of standard error.
    """
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert "Traceback" not in said
    return process.returncode, said.splitlines()[-1]


def test_a_session_is_followed_live_and_taken_up_again(url: str) -> None:
    """
    The latest events come first; Ctrl-C ends it with 0 and says how to go on.
    """
    with tailing(url, [DRAFT, "-n", 1]) as process:
        assert "#3    message_streamed" in next_line(process)
        append(url, "one")
        assert (
            next_line(process)
            .rstrip()
            .endswith("#4    message_sent             user: one")
        )
        assert interrupted(process) == (0, "go on with --after 4")
    append(url, "two", "three")
    with tailing(url, [DRAFT, "--after", 4]) as process:
        assert [next_line(process).split()[-1] for _ in "ab"] == ["two", "three"]
        assert interrupted(process) == (0, "go on with --after 6")


def test_all_sessions_are_followed_live_and_taken_up_again(url: str) -> None:
    """
    From a checkpoint on, each event comes once.
    """
    with tailing(url, ["--json", "--user", "ada", "-v"]) as process:
        assert process.stderr is not None
        while "following" not in process.stderr.readline():
            pass
        append(url, "hers", session_id=LAMP)
        first = json.loads(next_line(process))
        assert Event.from_dict(first["event"]).data["content"] == "hers"
        code, last = interrupted(process)
    assert (code, last) == (0, f"go on with --checkpoint {first['checkpoint']}")
    append(url, "more", session_id=LAMP)
    with tailing(url, ["--checkpoint", first["checkpoint"]]) as process:
        line = next_line(process).split()
        assert (line[2], line[-1]) == (LAMP, "more")


def test_it_ends_with_the_session_if_told_so(url: str, printed: Printed) -> None:
    """
    As lines of text, and as the events in JSON that an export has.
    """
    tail = ["tail", TRIP, "--until-over", "--url", url]
    lines = printed(*tail).splitlines()
    events = [
        Event.from_dict(json.loads(line))
        for line in printed(*tail, "--json", "--type", "run_failed").splitlines()
    ]

    assert [line.split()[2] for line in lines] == ["#1", "#2", "#3", "#4"]
    assert [event.sequence_number for event in events] == [4]


def test_a_reader_that_has_seen_enough_is_no_error(url: str) -> None:
    """
    It ends with 0 at the next event, without a word.
    """
    with tailing(url, [DRAFT, "-n", 1]) as process:
        next_line(process)
        assert process.stdout is not None
        process.stdout.close()
        append(url, "one", "two")
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        said = process.stderr.read()
        assert [each for each in said.splitlines() if "warning: " not in each] == []


def test_a_session_that_is_not_there_yet_is_waited_for(url: str) -> None:
    """
    That is said, since the id may be mistyped.
    """
    with tailing(url, ["ses_new"]) as process:
        assert process.stderr is not None
        while "waiting" not in (said := process.stderr.readline()):
            pass
        assert said == "no session 'ses_new' is stored yet; waiting for it\n"
        assert interrupted(process)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--last", "3"], "--last: it needs a SESSION_ID"),
        (["--after", "3"], "--after: it needs a SESSION_ID"),
        (["--until-over"], "--until-over: it needs a SESSION_ID"),
        ([LAMP, "--agent", "x"], "--agent: it is for the events of all sessions"),
        ([LAMP, "--last", "1", "--after", "1"], "--last and --after: only one of them"),
        (["--checkpoint", "nonsense"], "checkpoint"),
        ([LAMP, "--after", "-1"], "after: "),
    ],
)
def test_what_does_not_go_together_is_refused(
    document: Callable[..., Any],  # noqa: ARG001 - for its clean output
    capsys: pytest.CaptureFixture[str],
    file: object,
    arguments: list[str],
    complaint: str,
) -> None:
    """
    It ends with 2 before anything is followed.
    """
    assert main(["tail", *arguments, "--url", str(file)]) == 2
    assert complaint in capsys.readouterr().err
