"""
What sessions, show, search and usage print of a database of either kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from asm_async.cli.main import main
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from tests.cli.conftest import Printed
from tests.shown_history import DRAFT, LAMP, TRIP


def first_words(text: str) -> list[str]:
    """
    Return the first word of each line behind the heading.
    """
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_sessions_are_listed_with_what_is_known_of_them(
    url: str, printed: Printed
) -> None:
    """
    A column that no session has anything for is left out.
    """
    heading, *rows = printed("sessions", "--url", url).splitlines()

    names = ["ID", "STATUS", "LAST", "ACTIVITY", "TITLE", "AGENT", "USER", "TENANT"]
    assert heading.split() == [*names, "TAGS", "PARENT"]
    assert sorted(row.split()[0] for row in rows) == sorted([DRAFT, LAMP, TRIP])
    assert [row.split()[4:] for row in rows if row.startswith(LAMP)] == [
        ["A", "green", "lamp", "shop", "ada", "acme", "web"]
    ]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--agent", "shop"], {LAMP}),
        (["--user", "grace"], {TRIP, DRAFT}),
        (["--tenant", "other"], set[str]()),
        (["--status", "failed"], {TRIP}),
        (["--status", "failed", "--status", "active"], {LAMP, TRIP, DRAFT}),
        (["--tag", "web"], {LAMP}),
        (["--provider", "anthropic"], {LAMP, TRIP, DRAFT}),
        (["--parent", TRIP], {DRAFT}),
        (["--since", "1d"], {LAMP, TRIP, DRAFT}),
        (["--since", "2999-01-01"], set[str]()),
        (["--created-after", "2026-03-02T12:00"], {TRIP, DRAFT}),
        (["--created-before", "2026-03-02T12:00Z"], {LAMP}),
    ],
)
def test_filters_choose_sessions(
    url: str,
    document: Callable[..., Any],
    options: list[str],
    found: set[str],
) -> None:
    """
    They are those of ``search_sessions``; a time without a zone is in UTC.
    """
    page = document("sessions", "--url", url, *options)

    assert {session["id"] for session in page["items"]} == found
    assert page["cursor"] is None


def test_pages_follow_each_other(
    url: str, document: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What a page ends with is where the next begins; standard error says so to people.
    """
    order = ["--order", "created_at_asc", "--limit", 2, "--count"]
    first = document("sessions", "--url", url, *order)
    rest = document("sessions", "--url", url, *order, "--cursor", first["cursor"])

    ids = [session["id"] for page in (first, rest) for session in page["items"]]
    assert ids == [LAMP, DRAFT, TRIP]
    assert (first["total_count"], rest["cursor"]) == (3, None)
    main(["sessions", "--url", url, *map(str, order)])
    lines = capsys.readouterr().err.splitlines()
    said = [line for line in lines if not line.startswith("warning: ")]
    assert said == ["2 of 3", f"there are more: --cursor {first['cursor']}"]


def test_a_session_is_shown_as_a_transcript(url: str, printed: Printed) -> None:
    """
    With who said what, tool calls and their results, and the run with its figures.
    """
    shown = printed("show", "--url", url, LAMP)

    assert "tokens         1,200 in, 80 out\n" in shown
    run = "run run_lamp_1 completed, anthropic claude-sonnet-4-5, 1,200 tokens in"
    assert f"{run}, 80 out, $0.0048, 4.0 s\n" in shown
    assert "#4 assistant calls find_lamps  2026-03-02 09:00:04\n" in shown
    assert '#5 result of find_lamps  2026-03-02 09:00:05\n  [{"item"' in shown
    assert "  Yes: the L-7.\n  It is 39.90 €.\n" in shown


def test_what_was_retracted_is_mentioned_and_shown_if_asked_for(
    url: str, printed: Printed
) -> None:
    """
    By default a line says where it was.
    """
    shown = printed("show", "--url", url, LAMP)
    with_hidden = printed("show", "--url", url, LAMP, "--hidden")

    assert shown.endswith("#8 to #9 retracted; --hidden shows what it was\n")
    assert "red one" not in shown
    assert with_hidden.endswith(
        "#8 user  2026-03-02 09:00:08 (retracted)\n  No, the red one.\n"
        "#9 assistant  2026-03-02 09:00:09 (retracted)\n  We have no red one.\n"
    )


def test_failures_and_what_is_unfinished_are_shown(url: str, printed: Printed) -> None:
    """
    The error of a call, that of its run, and a message that has not come as a whole.
    """
    trip, draft = (printed("show", "--url", url, each) for each in (TRIP, DRAFT))

    assert "4.0 s: the booking service is closed\n" in trip
    assert "#3 result of book  2026-03-03 09:00:03\n  closed until Monday\n" in trip
    assert "#4 run_failed" in trip
    assert "run run_draft_1 running, anthropic claude-sonnet-4-5\n" in draft
    assert "#3 assistant  2026-03-03 09:00:03 (unfinished)\n  Dear hotel\n" in draft


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([], list(range(1, 11))),
        (["--after", "2", "--before", "5"], [3, 4]),
        (["--last", "2"], [9, 10]),
        (["--run", "run_lamp_1"], [2, 3, 4, 5, 6, 7]),
        (["--run", "run_lamp_1", "--last", "1"], [7]),
    ],
)
def test_a_range_of_the_log_is_printed_event_by_event(
    url: str, printed: Printed, options: list[str], numbers: list[int]
) -> None:
    """
    As lines of text and of JSON, retracted events and retractions too.
    """
    command = ["show", "--url", url, LAMP, "--events", *options]
    lines = printed(*command).splitlines()
    events = [json.loads(line) for line in printed(*command, "--json").splitlines()]

    assert [int(line.split()[2].removeprefix("#")) for line in lines] == numbers
    assert [Event.from_dict(each).sequence_number for each in events] == numbers


def test_a_transcript_as_json_has_session_runs_and_messages(
    url: str, document: Callable[..., Any]
) -> None:
    """
    Sessions and runs are as they are exported; what is retracted is left out.
    """
    shown = document("show", "--url", url, LAMP)
    hidden = document("show", "--url", url, LAMP, "--hidden")

    assert sorted(shown) == ["messages", "runs", "session"]
    assert Session.from_dict(shown["session"]).id == LAMP
    assert [Run.from_dict(run).id for run in shown["runs"]] == ["run_lamp_1"]
    roles = [message["role"] for message in shown["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]
    assert len(hidden["messages"]) == len(roles) + 2


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ([], 17),
        (["--session", LAMP], 10),
        (["--session", LAMP, "--session", TRIP], 14),
        (["--run", "run_trip_1"], 4),
        (["--type", "tool_call_failed", "--type", "run_failed"], 2),
        (["--type", "asm.events_retracted"], 1),
        (["--until", "2026-03-03"], 9),
        (["--since", "2026-03-03T09:00:02Z", "--user", "grace"], 5),
        (["--provider", "nobody"], 0),
        (["--correlation-id", "asm.retractions"], 1),
        (["--tenant", "other"], 0),
    ],
)
def test_events_are_found_and_counted(
    url: str,
    printed: Printed,
    document: Callable[..., Any],
    options: list[str],
    count: int,
) -> None:
    """
    By the filters of ``search_events``.
    """
    command = ["search", "events", "--url", url, *options]

    assert len(document(*command)["items"]) == count
    assert len(printed(*command).splitlines()) == (count + 1 if count else 0)
    assert printed(*command, "--count") == f"{count}\n"
    assert document(*command, "--count") == {"total_count": count}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["run_draft_1", "run_trip_1", "run_lamp_1"]),
        (["--status", "running"], ["run_draft_1"]),
        (["--min-tokens", "2000"], ["run_trip_1"]),
        (["--order", "started_at_asc", "-n", "1"], ["run_lamp_1"]),
        (["--agent", "shop"], ["run_lamp_1"]),
        (["--session", DRAFT], ["run_draft_1"]),
        (["--started-before", "2026-03-03"], ["run_lamp_1"]),
    ],
)
def test_runs_are_found(
    url: str, printed: Printed, options: list[str], found: list[str]
) -> None:
    """
    By the filters of ``search_runs``.
    """
    lines = printed("search", "runs", "--url", url, *options)

    assert sorted(first_words(lines)) == sorted(found)


def test_search_sessions_is_sessions(url: str, printed: Printed) -> None:
    """
    It is the same command under another name.
    """
    assert printed("search", "sessions", "--url", url) == printed(
        "sessions", "--url", url
    )


def test_usage_is_added_up_by_model(url: str, printed: Printed) -> None:
    """
    With what is known of the cost, and a line for all.
    """
    assert printed("usage", "--url", url) == (
        "MODEL              RUNS  INPUT  OUTPUT  TOTAL     COST\n"
        "claude-opus-4-1       1  5,000      10  5,010  $0.0758\n"
        "claude-sonnet-4-5     2  1,200      80  1,280  $0.0048\n"
        "all                   3  6,200      90  6,290  $0.0806\n"
    )


def test_usage_is_told_apart_by_several_things(url: str, printed: Printed) -> None:
    """
    A day stands first, whichever order the options have.
    """
    lines = printed("usage", "--url", url, "--by", "user", "--by", "day").splitlines()

    assert lines[0].split()[:2] == ["DAY", "USER"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["2026-03-02", "ada"],
        ["2026-03-03", "grace"],
        ["all", "3"],
    ]


@pytest.mark.parametrize("key", ["provider", "agent", "tenant", "session", "tag"])
@pytest.mark.parametrize("bucket", ["hour", "day", "month", None])
def test_usage_is_told_apart_by_each_thing_alone(
    url: str, printed: Printed, key: str, bucket: str | None
) -> None:
    """
    And by each with a bucket of time.
    """
    by = ["--by", key, *(["--by", bucket] if bucket else [])]
    heading = printed("usage", "--url", url, *by).splitlines()[0]

    assert heading.lower().split()[: len(by) // 2] == [
        *([bucket] if bucket else []),
        key,
    ]


def test_usage_as_json_is_both_summaries(
    url: str, document: Callable[..., Any]
) -> None:
    """
    With the groups that are asked for.
    """
    both = document("usage", "--url", url, "--by", "agent", "--session", LAMP)

    assert both["usage"]["total_tokens"] == 1280
    assert both["cost"]["total_cost_usd"] == 0.0048
    assert [group["key"] for group in both["usage"]["groups"]] == [{"agent": "shop"}]


def test_bars_are_as_long_as_what_they_show(url: str, printed: Printed) -> None:
    """
    The greatest has all the room there is.
    """
    plot = ["usage", "--url", url, "--by", "day", "--plot", "--measure"]
    *tokens, measure = [line.split() for line in printed(*plot, "tokens").splitlines()]
    *runs, _ = [line.split() for line in printed(*plot, "runs").splitlines()]

    assert measure == ["tokens"]
    assert [line[:2] for line in tokens] == [
        ["2026-03-02", "1,280"],
        ["2026-03-03", "5,010"],
    ]
    # 80 cells without the names, the figures and what keeps them apart.
    assert [len(line[2]) for line in tokens] == [16, 61]
    assert [len(line[2]) for line in runs] == [33, 65]


@pytest.mark.parametrize(
    "command",
    [["show"], ["delete", "--yes"], ["restore"], ["show", "--events"]],
    ids=" ".join,
)
def test_a_session_that_is_not_there_ends_with_three(
    url: str, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """
    And is named.
    """
    assert main([*command, "ses_none", "--url", url]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert "error: no session 'ses_none' is stored" in output.err
