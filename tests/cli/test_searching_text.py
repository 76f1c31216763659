"""
``asm search text`` and ``asm search index``.
"""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from asm_async.cli.main import main
from tests.cli.conftest import PROGRAM, Printed, RunProgram


def test_what_was_said_is_found_once_it_is_indexed(
    url: str, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Before that a search finds nothing, and says how much is not indexed.
    """
    assert printed("search", "text", "lamp", "--url", url) == ""
    assert main(["search", "text", "lamp", "--url", url]) == 0
    assert "events are not indexed yet: asm search index" in capsys.readouterr().err

    assert main(["search", "index", "--url", url]) == 0
    # Before it, a server of tests is said to be less than durable.
    assert capsys.readouterr().err.splitlines()[-1] == "indexed 17 events; 0 are left"
    found = printed("search", "text", "lamp", "--url", url)

    assert "ses_lamp" in found
    assert "title" in found
    assert "A green [lamp]" in found
    assert main(["search", "text", "nowhere", "--url", url]) == 0
    assert "nothing found\n" in capsys.readouterr().err


def test_matches_are_printed_as_json(url: str, printed: Printed) -> None:
    """
    With session, event, snippet and rank, page by page.
    """
    report = json.loads(printed("search", "index", "--json", "--url", url))
    assert report == {"events_indexed": 17, "events_pending": 0}
    options = ("--order", "time", "--limit", "1", "--json", "--url", url)
    first = json.loads(printed("search", "text", "lamp", *options))
    rest = json.loads(
        printed("search", "text", "lamp", *options, "--cursor", first["cursor"])
    )

    [match] = first["items"]
    assert set(match) == {"session", "event", "snippet", "rank"}
    assert match["snippet"]["text"] == "Is there a green lamp? 💡"
    assert match["snippet"]["marks"] == [[17, 21]]
    assert match["event"]["sequence_number"] == 3
    assert rest["items"][0]["event"] is None


def test_filters_are_options(url: str, printed: Printed) -> None:
    """
    They narrow what is found; a query may begin with a hyphen.
    """
    printed("search", "index", "--url", url)

    def count(*arguments: str) -> int:
        text = printed("search", "text", *arguments, "--json", "--url", url)
        return len(json.loads(text)["items"])

    assert count("green lamp") == 2
    assert count("green lamp", "--role", "user") == 1
    assert count("green lamp", "--type", "message_sent", "--type", "run_failed") == 1
    assert count("green lamp", "--user", "grace") == 0
    assert count("green lamp", "--tenant", "acme", "--agent", "shop") == 2
    assert count("green lamp", "--session", "ses_trip") == 0
    assert count("green lamp", "--since", "2026-03-03") == 0
    assert count("green lamp", "--until", "2026-03-03") == 2
    assert count("-lamp green") == 1
    assert count("-lamp") == 0


def test_an_index_is_built_again(url: str, printed: Printed) -> None:
    """
    With --rebuild it begins with the first event; without, there is nothing to do.
    """
    first = json.loads(printed("search", "index", "--json", "--url", url))
    second = json.loads(printed("search", "index", "--json", "--url", url))
    again = json.loads(printed("search", "index", "--rebuild", "--json", "--url", url))

    assert second == {"events_indexed": 0, "events_pending": 0}
    assert again == first


def test_a_wrong_query_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Too long a query is an error with its bound, and none else is.
    """
    assert main(["search", "text", "x" * 5_000, "--url", url]) != 0
    assert "query: expected at most 4096 characters" in capsys.readouterr().err
    for query in ('"', "'; DROP TABLE asm_events; --", "NEAR(", "\ud800", "%", "*"):
        assert main(["search", "text", query, "--url", url, "--quiet"]) == 0


def test_a_follower_ends_with_ctrl_c(file: Path, run_program: RunProgram) -> None:
    """
    It reports what it has indexed, follows, and ends well when it is interrupted.
    """
    following = subprocess.Popen(  # noqa: S603 - the program under test
        [PROGRAM, "search", "index", "--follow", "--url", str(file)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert following.stderr is not None
        assert following.stderr.readline().startswith("indexed ")
        following.send_signal(signal.SIGINT)
        assert following.wait(timeout=20) == 0
    finally:
        following.kill()
        following.communicate()
    found = run_program("search", "text", "lamp", "--url", file)
    assert b"ses_lamp" in found.stdout
