"""
The examples, run as a user would run them.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import make_url

from asm_async import (
    Event,
    EventType,
    Run,
    RunStatus,
    Session,
    SessionStatus,
    open_store,
)
from asm_async.conventions import message_sent, shape_warnings
from asm_async.transcripts import transcript_of
from tests.integration.example_programs import (
    SAMPLE,
    interrupt_once_under_way,
    record,
    run_example,
    run_python,
    without_warnings,
)

MESSAGES = {EventType.MESSAGE_SENT, EventType.MESSAGE_RECEIVED}


@attrs.frozen
class Log:
    """
    A session with all that belongs to it.
    """

    session: Session
    runs: list[Run]
    events: list[Event]

    def data_of(self, types: set[EventType]) -> list[Any]:
        """
        Return what the events of some types say.
        """
        return [event.data for event in self.events if event.type in types]


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Return an empty database, of either kind.
    """
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'log.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


def stored_in(url: str) -> list[Log]:
    """
    Return all that a database holds.
    """

    async def read() -> list[Log]:
        async with open_store(url) as store:
            return [
                Log(
                    session,
                    await store.list_runs(session.id),
                    await store.get_events(session.id),
                )
                for session in await store.list_sessions()
            ]

    return asyncio.run(read())


def write_json(path: Path, content: object) -> Path:
    """
    Write a file of conversations.
    """
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_quickstart_walks_from_an_empty_database_to_a_finished_session(
    url: str,
) -> None:
    """
    The quickstart ends well and leaves the session it tells of.
    """
    done = run_example("quickstart.py", "--url", url)

    assert (done.returncode, without_warnings(done.stderr)) == (0, "")
    assert "refused: session" in done.stdout
    assert done.stdout.endswith("latest number 5: run_completed\n")
    (log,) = stored_in(url)
    assert log.session.status is SessionStatus.COMPLETED
    assert [run.status for run in log.runs] == [RunStatus.COMPLETED]
    assert [event.sequence_number for event in log.events] == [1, 2, 3, 4, 5]


def test_recorded_conversations_come_back_equal(url: str) -> None:
    """
    A conversation is a session, a user turn a run, a message or tool call an event.
    """
    done = record(SAMPLE, url)

    assert done.returncode == 0, done.stderr
    assert "4 conversations, 8 runs, 22 messages, 49 events" in done.stdout
    assert "(49 new events)" in done.stdout
    assert "\nevery conversation came back equal\n" in done.stdout
    logs = {log.session.metadata["title"]: log for log in stored_in(url)}
    for conversation in json.loads(SAMPLE.read_bytes()):
        log = logs.pop(conversation["title"])
        messages = conversation.get("traj") or conversation["messages"]
        calls = [call["id"] for m in messages for call in m.get("tool_calls") or ()]
        assert log.session.status is SessionStatus.COMPLETED
        assert {run.status for run in log.runs} == {RunStatus.COMPLETED}
        started = log.data_of({EventType.TOOL_CALL_STARTED})
        assert [data["tool_call_id"] for data in started] == calls
        assert transcript_of(log.events).to_openai() == messages
        assert [w for event in log.events for w in shape_warnings(event)] == []
    assert logs == {}


def test_the_first_conversation_is_shown_with_its_place_and_what_is_next(
    tmp_path: Path,
) -> None:
    """
    A newcomer sees the file's path, one transcript, and commands that can be pasted.
    """
    url = f"sqlite+aiosqlite:///{tmp_path / 'log.sqlite3'}"

    shown = record(SAMPLE, url).stdout

    assert f"\nThe database is {tmp_path / 'log.sqlite3'}\n" in shown
    title, *_ = (each["title"] for each in json.loads(SAMPLE.read_bytes()))
    (log,) = [log for log in stored_in(url) if log.session.metadata["title"] == title]
    for message in transcript_of(log.events).messages:
        assert str(message.content or message.tool_name).splitlines()[0] in shown
    commands = re.findall(r"^  (\S+) (.+)$", shown, re.MULTILINE)
    show, console = (arguments for _, arguments in commands)
    assert (show, console) == (
        f"show {log.session.id} --url {url}",
        f"console --url {url}",
    )
    beside = Path(sys.executable).with_name("asm")
    assert {Path(program).absolute() for program, _ in commands} == {beside}
    looked = run_python("-m", "asm_async", *shlex.split(show))
    assert "Hello! Do you have a green desk lamp?" in looked.stdout, looked.stderr


@pytest.mark.postgres
def test_no_password_is_shown(postgres_url: str) -> None:
    """
    What is printed of a server's address leaves out the password.
    """
    password = make_url(postgres_url).password

    done = record(SAMPLE, postgres_url)

    assert "The database is postgresql" in done.stdout
    assert password
    assert str(password) not in done.stdout + done.stderr


def test_recording_again_adds_nothing(url: str) -> None:
    """
    A second run leaves every session, run and event as it was, revisions included.
    """
    once = record(SAMPLE, url)
    before = stored_in(url)
    again = record(SAMPLE, url)

    assert (once.returncode, again.returncode) == (0, 0), again.stderr
    assert "(nothing new)" in again.stdout
    assert stored_in(url) == before


def test_equal_conversations_are_recorded_each(url: str, tmp_path: Path) -> None:
    """
    A conversation that stands twice in a file becomes two sessions; order is no matter.
    """
    one, other, *_ = json.loads(SAMPLE.read_bytes())

    first = record(write_json(tmp_path / "1.json", [one, one]), url)
    second = record(write_json(tmp_path / "2.json", [other, one, one, {**one}]), url)

    assert (first.returncode, second.returncode) == (0, 0)
    assert len(stored_in(url)) == 4


def test_what_was_changed_in_the_log_is_told(url: str) -> None:
    """
    A session that no longer holds its conversation is named; the exit code is 1.
    """
    record(SAMPLE, url)
    session_id = stored_in(url)[0].session.id

    async def speak() -> None:
        async with open_store(url) as store:
            late = message_sent(session_id=session_id, content="One more thing.")
            await store.append_event(late)

    asyncio.run(speak())
    again = record(SAMPLE, url)

    assert again.returncode == 1
    assert f"session {session_id} differs" in again.stderr
    assert "came back equal" not in again.stdout


GOOD = {"messages": [{"role": "user", "content": "hello"}]}
BAD_FILES: list[tuple[object, str]] = [
    ("[", "not a JSON list: Expecting value: line 1 column 2"),
    ("[" * 100_000, "not a JSON list: maximum recursion depth exceeded"),
    ("{}", "not a JSON list: expected conversations in [ and ]"),
    ('[{"messages": [], "cost": NaN}]', "NaN is no JSON number"),
    ('[{"messages": [], "cost": 1e999}]', "metadata['cost']: inf is not JSON"),
    (
        [GOOD, {}],
        "conversation 1: there are no messages under 'traj' or 'messages'",
    ),
    ([{"traj": [GOOD["messages"][0], 1]}], "messages[1]: expected an object"),
    ([GOOD, {"messages": [{"role": ["user"]}]}], "a list is not one of system"),
    (
        [{"traj": [{"role": "assistant", "tool_calls": [1]}]}],
        "['tool_calls'][0]: expected an object",
    ),
    (None, "No such file or directory"),
]


@pytest.mark.parametrize(("content", "complaint"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_a_bad_file_is_refused_in_one_line_that_names_the_culprit(
    content: object, complaint: str, tmp_path: Path
) -> None:
    """
    A file with anything wrong in it has the exit code 2 and makes no database.
    """
    path, database = tmp_path / "bad.json", tmp_path / "log.sqlite3"
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")

    done = record(path, f"sqlite+aiosqlite:///{database}")

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr
    assert complaint in done.stderr
    assert not database.exists()


@pytest.mark.parametrize("scheme", ["sqlite:///", "mysql://"])
def test_a_database_that_cannot_be_used_is_told_in_one_line(
    scheme: str, tmp_path: Path
) -> None:
    """
    What is no database, or not one of ours, has the exit code 1 and no traceback.
    """
    no_database = tmp_path / "log.sqlite3"
    no_database.write_bytes(SAMPLE.read_bytes())

    done = record(SAMPLE, f"{scheme}{no_database}")

    assert done.returncode == 1
    assert re.fullmatch(r"error: .+\n", done.stderr)
    assert no_database.read_bytes() == SAMPLE.read_bytes()


def test_ctrl_c_leaves_whole_runs_and_the_same_command_goes_on(
    url: str, tmp_path: Path
) -> None:
    """
    Interrupted, the recording keeps whole runs only; the next one adds just the rest.
    """
    turn = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    path = write_json(
        tmp_path / "many.json", [{"messages": turn * 5, "n": n} for n in range(200)]
    )
    interrupted, said = interrupt_once_under_way(
        "record_conversations.py", path, "--url", url
    )
    partly = stored_in(url)
    finished = record(path, url)

    assert interrupted == 130
    assert said.endswith(b"interrupted: only whole runs are stored; run it again\n")
    assert 0 < sum(len(log.runs) for log in partly) < 1_000
    for log in partly:
        ended = [e.run_id for e in log.events if e.type is EventType.RUN_COMPLETED]
        assert ended == [run.id for run in log.runs]
        assert len(log.data_of(MESSAGES)) == 2 * len(ended)
    assert finished.returncode == 0, finished.stderr
    assert sum(len(log.runs) for log in stored_in(url)) == 1_000
