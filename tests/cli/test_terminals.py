"""
What is printed on terminals, pipes and files of every kind.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from asm_async import Event, Run, Session, SessionStatus, open_ports
from asm_async import conventions as say
from asm_async.cli.texts import visible
from tests.cli.conftest import Printed, RunProgram
from tests.cli.terminal import printed_in_pipe, printed_on_terminal
from tests.shown_history import LAMP

# The sequences that colour text: the only ones that the program itself prints.
COLOUR = re.compile(r"\x1b\[[\d;]*m")
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

EVIL_ID = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b5n\x07\x08\r\x7f"
    "\u202e\u2066\ufeff\u200b\U000e0041\u2028"
)
"""
Sets a window's title, clears the screen, asks the terminal to answer, rings, goes back,
and reorders text.
"""
# What no argument of a process can hold.
EVIL = f"{EVIL_ID}\0\ud800"

COMMANDS = [
    ["sessions", "--include-deleted"],
    ["show", EVIL_ID],
    ["show", EVIL_ID, "--hidden"],
    ["show", EVIL_ID, "--events"],
    ["search", "events"],
    ["search", "runs"],
    ["usage", "--by", "session", "--by", "tag"],
    ["usage", "--by", "user", "--plot", "--measure", "runs"],
    ["tail", EVIL_ID, "--until-over"],
    ["restore", EVIL_ID],
]
TEXTS: dict[Callable[..., Event], dict[str, Any]] = {
    say.message_sent: {"content": EVIL},
    say.message_received: {"content": [{"type": "text", "text": EVIL}, {"type": EVIL}]},
    say.tool_call_started: {
        "tool_call_id": "1",
        "tool_name": EVIL,
        "tool_input": {EVIL: EVIL},
    },
    say.tool_call_failed: {
        "tool_call_id": "1",
        "tool_name": EVIL,
        "error_message": EVIL,
    },
    say.error_occurred: {"error_message": EVIL, "error_code": EVIL},
    say.policy_violation: {"policy": EVIL, "kind": EVIL},
    say.session_paused: {"reason": EVIL},
}


@pytest.fixture
def evil_file(tmp_path: Path) -> Path:
    """
    Return an SQLite file in which every text would control a terminal.
    """
    path = tmp_path / "evil.sqlite3"
    session = Session.new(
        id=EVIL_ID,
        agent_id=EVIL_ID,
        user_id=EVIL_ID,
        tenant_id=EVIL_ID,
        tags=[EVIL_ID],
    )
    run = Run.new(
        session_id=EVIL_ID,
        id=EVIL_ID,
        provider=EVIL_ID,
        provider_metadata={"model": EVIL_ID},
    ).fail({"message": EVIL})

    async def store() -> None:
        async with open_ports(f"sqlite:///{path}", migrate=True) as ports:
            await ports.store.save_session(session)
            await ports.store.save_run(run)
            for build, members in TEXTS.items():
                made = build(session_id=EVIL_ID, run_id=EVIL_ID, **members)
                await ports.store.append_event(made)
            own = Event.new(type="own.type", session_id=EVIL_ID, data={EVIL: EVIL})
            await ports.store.append_event(own)
            await ports.store.retract_events(EVIL_ID, first=1, last=1)
            over = session.update_status(SessionStatus.ACTIVE)
            await ports.store.save_session(over.update_status(SessionStatus.COMPLETED))

    asyncio.run(store())
    return path


def is_harmless(text: str) -> bool:
    """
    Return whether a text does nothing to a terminal but print and colour.
    """
    plain = COLOUR.sub("", text).replace("\n", "")
    return all(unicodedata.category(char) not in UNSAFE for char in plain)


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_nothing_that_was_stored_controls_a_terminal(
    evil_file: Path, command: list[str]
) -> None:
    """
    Escapes stand in its place.
    """
    code, shown = printed_on_terminal(*command, "--url", evil_file, width=100)

    assert code == 0
    assert is_harmless(shown)
    assert command[0] == "restore" or r"\x1b" in shown.replace("\n", "")


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_nothing_that_was_stored_controls_a_pipe(
    evil_file: Path, command: list[str]
) -> None:
    """
    Nor what stands behind it, such as a pager; reports and JSON are harmless, too.
    """
    for more in ([], ["--json"]):
        code, output, errors = printed_in_pipe(
            *command, *more, "--url", evil_file, FORCE_COLOR="1"
        )
        assert code == 0
        assert is_harmless(output)
        assert is_harmless(errors)


def test_an_error_and_a_question_are_harmless_too(
    evil_file: Path,
) -> None:
    """
    Also where they repeat an argument.
    """
    for command in (["show", f"{EVIL_ID}!"], ["delete", EVIL_ID], [EVIL_ID]):
        code, _, errors = printed_in_pipe(*command, "--url", evil_file)
        assert code in {2, 3}
        assert is_harmless(errors)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),
        ("e\u0301 京都 👩\u200d👩\u200d👧 \u0645\u06cc\u200c\u062e\u0648", None),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\x9bb", r"a\x9bb"),
        ("a\rb", r"a\rb"),
        ("a\u202eb", r"a\u202eb"),
        ("a\ud800b", r"a\ud800b"),
        ("a\x7fb", r"a\x7fb"),
    ],
)
def test_only_what_controls_is_escaped(text: str, shown: str | None) -> None:
    """
    Letters of all scripts, joined emoji and line ends stay as they are.
    """
    assert visible(text) == (text if shown is None else shown)


@pytest.mark.parametrize(
    ("environment", "has_colours"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_a_terminal_has_colours_unless_told_otherwise(
    file: Path, environment: dict[str, str], *, has_colours: bool
) -> None:
    """
    By NO_COLOR, or because it has none.
    """
    _, shown = printed_on_terminal("show", LAMP, "--url", file, environment=environment)

    assert bool(re.search(r"\x1b\[[\d;]*3\dm", shown)) is has_colours


def test_a_pipe_has_colours_only_if_told_so(
    file: Path,
) -> None:
    """
    By FORCE_COLOR; the text is the same.
    """
    _, plain, _ = printed_in_pipe("show", LAMP, "--url", file)
    _, coloured, _ = printed_in_pipe("show", LAMP, "--url", file, FORCE_COLOR="1")

    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert COLOUR.sub("", coloured) == plain


def test_a_pipe_is_given_everything_whole(file: Path) -> None:
    """
    However narrow the terminal beside it is; no line ends with blanks.
    """
    for command in (["sessions"], ["search", "events"], ["search", "runs"], ["usage"]):
        _, shown, _ = printed_in_pipe(*command, "--url", file, COLUMNS="20")
        assert "…" not in shown
        assert [line for line in shown.splitlines() if line != line.rstrip()] == []
    _, events, _ = printed_in_pipe("search", "events", "--url", file)
    assert '-> [{"item": "L-7", "price": 39.9}]' in events


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize(
    "command",
    [["sessions"], ["search", "events"], ["search", "runs"], ["usage"]],
    ids=" ".join,
)
def test_no_line_is_wider_than_a_terminal(
    file: Path, command: list[str], width: int
) -> None:
    """
    What has no room beside each other stands below each other; ids stay whole.
    """
    _, shown = printed_on_terminal(*command, "--url", file, width=width)

    # What is longer stands on lines of its own, which the terminal breaks.
    lines = re.sub(r"(?m)^what .*", "", COLOUR.sub("", shown)).splitlines()

    assert [line for line in lines if cell_len(line) > width] == []
    assert command[0] == "usage" or "ses_lamp" in shown


def test_wide_characters_take_their_room(tmp_path: Path, printed: Printed) -> None:
    """
    What stands behind them in a table is in its column.
    """
    path = tmp_path / "wide.sqlite3"

    async def store() -> None:
        async with open_ports(f"sqlite:///{path}", migrate=True) as ports:
            for agent in ("京都", "kyoto", "👩‍👧"):
                session = Session.new(agent_id=agent, user_id="USER")
                await ports.store.save_session(session)

    asyncio.run(store())
    lines = printed("sessions", "--url", path).splitlines()

    assert len({cell_len(line[: line.index("USER")]) for line in lines}) == 1


def test_an_encoding_that_lacks_a_character_is_shown_escapes(
    file: Path, run_program: RunProgram
) -> None:
    """
    And bars of a character that it has.
    """
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    shown = run_program("show", LAMP, "--url", file, **ascii_only)
    bars = run_program("usage", "--by", "day", "--plot", "--url", file, **ascii_only)

    assert rb"lamp? \U0001f4a1" in shown.stdout
    assert b"  ####" in bars.stdout
    assert shown.returncode == bars.returncode == 0
