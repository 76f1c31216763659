"""
Commands that delete or end something, on a database of either kind.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from asm_async import Run, open_ports
from asm_async.artifacts import ArtifactLibrary
from asm_async.cli.main import main
from asm_async.files import LocalArtifactStore
from tests.cli.conftest import Printed
from tests.forked_program import start_forked
from tests.shown_history import DRAFT, LAMP, TRIP


def sessions_in(url: str, *, with_deleted: bool = True) -> set[str]:
    """
    Return the ids of all sessions.
    """

    async def read() -> set[str]:
        async with open_ports(url) as ports:
            found = await ports.store.list_sessions(include_deleted=with_deleted)
            return {session.id for session in found}

    return asyncio.run(read())


def test_sessions_are_marked_deleted_and_restored(url: str, printed: Printed) -> None:
    """
    They stay, and can be read by their id.
    """
    printed("delete", LAMP, TRIP, "--yes", "--url", url)

    assert sessions_in(url, with_deleted=False) == {DRAFT}
    assert "status         deleted\n" in printed("show", LAMP, "--url", url)
    printed("restore", LAMP, "--url", url)
    assert sessions_in(url, with_deleted=False) == {DRAFT, LAMP}


def test_sessions_are_removed_for_good(
    url: str, document: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """
    With all that belongs to them.
    """
    done = document("delete", LAMP, "--hard", "--yes", "--url", url)

    assert done == {"session_ids": [LAMP]}
    assert sessions_in(url) == {TRIP, DRAFT}
    assert main(["show", LAMP, "--url", url]) == 3
    assert main(["restore", LAMP, "--url", url]) == 3
    assert "nothing" in capsys.readouterr().err


def test_nothing_is_deleted_if_one_of_them_is_not_there(url: str) -> None:
    """
    A mistyped id is seen before anything is done.
    """
    assert main(["delete", LAMP, "ses_lmap", "--hard", "--yes", "--url", url]) == 3
    assert LAMP in sessions_in(url)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--user", "grace"], {LAMP}),
        (["--tenant", "acme"], set[str]()),
        (["--tenant", "acme", "--user", "ada"], {TRIP, DRAFT}),
        (["--user", "nobody"], {LAMP, TRIP, DRAFT}),
    ],
)
def test_all_of_a_tenant_or_a_user_is_erased(
    url: str, document: Callable[..., Any], options: list[str], left: set[str]
) -> None:
    """
    Both together are those of that user of that tenant.
    """
    done = document("erase", *options, "--yes", "--url", url)

    assert sessions_in(url) == left
    assert done["session_count"] == 3 - len(left)
    assert done["is_complete"] is True


def test_contents_of_artifacts_are_erased_too(
    file: Path, tmp_path: Path, document: Callable[..., Any]
) -> None:
    """
    From the directory where they lie; what has just been put stays for an hour.
    """
    directory = tmp_path / "contents"

    async def put() -> None:
        async with open_ports(f"sqlite:///{file}") as ports:
            library = ArtifactLibrary(ports.artifacts, LocalArtifactStore(directory))
            await library.save(b"a report", key="report", session_id=LAMP)

    asyncio.run(put())
    erase = ["erase", "--user", "ada", "--yes", "--artifact-store", directory]
    done = document(*erase, "--url", file)

    assert (done["artifact_count"], done["contents_left"]) == (1, 1)


def test_what_is_over_a_limit_is_pruned(url: str, document: Callable[..., Any]) -> None:
    """
    The report counts it; what is exempt stays.
    """
    limit = ["prune", "--max-events-per-session", "2", "--yes", "--url", url]

    exempt = document(*limit, "--exempt-tag", "web")
    rest = document(*limit)

    assert exempt["events_pruned"] == 2 + 1
    assert rest["events_pruned"] == 8
    assert rest["errors"] == {}


def test_what_was_deleted_long_ago_is_removed(
    url: str, document: Callable[..., Any], printed: Printed
) -> None:
    """
    And not before.
    """
    printed("delete", LAMP, "--yes", "--url", url)
    done = document("prune", "--hard-delete-after-days", "1", "--yes", "--url", url)

    assert done["sessions_hard_deleted"] == 0
    assert LAMP in sessions_in(url)


def test_runs_that_nobody_records_are_ended_if_that_is_asked_for(
    url: str, document: Callable[..., Any]
) -> None:
    """
    Without that, they are counted.
    """
    left = document("recover", "--url", url)
    ended = document("recover", "--unleased-after", "1h", "--url", url)

    assert (left["ended"], left["without_lease"]) == ([], 1)
    (run,) = (Run.from_dict(each) for each in ended["ended"])
    assert (run.id, run.status.value) == ("run_draft_1", "failed")
    assert run.error is not None
    assert run.error["code"] == "interrupted"


DESTRUCTIVE = [
    ["delete", LAMP],
    ["delete", LAMP, "--hard"],
    ["erase", "--user", "ada"],
    ["prune", "--max-events-per-session", "1"],
    ["db", "downgrade", "--revision", "base"],
]


@pytest.mark.parametrize("command", DESTRUCTIVE, ids=" ".join)
def test_without_a_terminal_a_destructive_command_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """
    Unless it has --yes; nothing was changed.
    """
    before = sessions_in(f"sqlite:///{file}", with_deleted=False)

    assert main([*command, "--url", str(file)]) == 2
    assert "There is no terminal to ask at: add --yes" in capsys.readouterr().err
    assert sessions_in(f"sqlite:///{file}", with_deleted=False) == before


def answered(command: list[str], answer: bytes) -> tuple[int, str]:
    """
    Run a command at a terminal, give an answer, and return its exit code and output.
    """
    ours, theirs = pty.openpty()
    nothing = os.open(os.devnull, os.O_WRONLY)
    process = start_forked(partial(main, command), (theirs, nothing, theirs), {})
    os.close(theirs)
    os.close(nothing)
    os.write(ours, answer)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    said = os.read(ours, 1 << 16)
    os.close(ours)
    return code, said.decode()


@pytest.mark.parametrize("command", DESTRUCTIVE, ids=" ".join)
def test_at_a_terminal_a_destructive_command_asks(
    file: Path, command: list[str]
) -> None:
    """
    What is no yes is a no.
    """
    before = sessions_in(f"sqlite:///{file}", with_deleted=False)

    for answer in (b"\n", b"n\n", b"\x04"):
        code, said = answered([*command, "--url", str(file)], answer)
        assert code == 2
        assert "? [y/N] " in said
        assert "nothing was changed" in said
    assert sessions_in(f"sqlite:///{file}", with_deleted=False) == before


def test_a_yes_is_enough(file: Path) -> None:
    """
    Then it is done.
    """
    code, said = answered(["erase", "--user", "ada", "--url", str(file)], b"y\n")

    assert code == 0
    assert "Remove 1 session for good? [y/N] " in said
    assert sessions_in(f"sqlite:///{file}") == {TRIP, DRAFT}


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["erase", "--yes"], "--tenant or --user: at least one of them is needed"),
        (["prune", "--yes"], "a limit is missing: one of --max-session-age-days"),
        (["prune", "--yes", "--max-idle-days", "0"], "max_idle_days: "),
        (["recover", "--unleased-after", "soon"], "is no duration such as 90s"),
        (["delete", "--yes"], "SESSION_ID"),
    ],
)
def test_what_a_command_needs_is_named(
    file: Path, capsys: pytest.CaptureFixture[str], command: list[str], complaint: str
) -> None:
    """
    It ends with 2, and nothing is done.
    """
    assert main([*command, "--url", str(file)]) == 2
    assert complaint in capsys.readouterr().err
    assert len(sessions_in(f"sqlite:///{file}")) == 3


def test_reports_can_be_switched_off(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    With -q nothing is said where all went well.
    """
    assert main(["delete", LAMP, "--yes", "-q", "--url", str(file)]) == 0
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_in_an_erasure_reports_what_is_gone(
    file: Path,
    interrupt_at: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    It ends with 130; the same command goes on.
    """
    erase = ["erase", "--tenant", "acme", "--yes", "--url", str(file)]
    interrupt_at("DELETE FROM asm_events")
    code = main(erase)

    assert code == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"
    assert main([*erase, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_complete"] is True
    assert sessions_in(f"sqlite:///{file}") == set()
