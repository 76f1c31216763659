"""
The list of sessions, one session, its runs, and what it comes from.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from asm_async import Event, Run, RunStatus, SessionStatus, conventions
from asm_async.recording import record_run
from asm_async.recording.leases import RunItems
from asm_async.testing.factories import NOON, make_event, make_run, make_session
from asm_async.values.token_price import TokenPrice
from tests.integration.console.serving import Console, open_console


def said(session_id: str, text: Any, **fields: Any) -> Event:
    """
    Return the event of something that a user says.
    """
    return conventions.message_sent(session_id=session_id, content=text, **fields)


def titles(page: Any) -> list[str]:
    """
    Return what a list shows of its sessions.
    """
    return [row["title"] for row in page["items"]]


async def begin(console: Console, id_: str, **fields: Any) -> None:
    """
    Store a session that is called by its id, unless *fields* say otherwise.
    """
    given = {"id": id_, "metadata": {"title": id_}, **fields}
    await console.ports.store.save_session(make_session(**given))


async def test_sessions_are_listed_by_their_last_activity(console: Console) -> None:
    """
    Whatever was written to last comes first, also by a mere event.
    """
    for id_ in ("one", "two", "three"):
        await begin(console, id_)
    await console.ports.store.append_event(make_event(session_id="one"))

    page = await console.get("sessions", count=True)

    assert titles(page) == ["one", "three", "two"]
    assert (page["total"], page["cursor"]) == (3, None)


async def test_pages_of_the_list_have_each_session_once(console: Console) -> None:
    """
    The cursor of a page leads to the next, until there is none.
    """
    for number in range(5):
        await begin(console, f"s{number}")

    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await console.get("sessions", limit=2, **cursor)
        found += titles(page)
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}

    assert found == ["s4", "s3", "s2", "s1", "s0"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"status": "active"}, ["b"]),
        ({"status": ["active", "pending"]}, ["c", "b", "a"]),
        ({"agent_id": "other"}, ["c"]),
        ({"user_id": "ada"}, ["a"]),
        ({"tenant_id": "acme"}, ["b"]),
        ({"tag": "vip"}, ["c", "a"]),
        ({"tag": ["vip", "new"]}, ["a"]),
        ({"created_after": "2026-01-02T12:00:00Z"}, ["c"]),
        ({"created_before": "2026-01-02T13:00:00Z"}, ["b", "a"]),
        ({"active_after": "2026-01-01T00:00:00Z"}, ["c", "b", "a"]),
        ({"active_after": "2999-01-01T00:00:00Z"}, []),
        ({"parent_session_id": "a"}, ["b"]),
        ({"include_deleted": True}, ["d", "c", "b", "a"]),
        ({"q": "OTHER"}, ["c"]),
        ({"q": "vip ada"}, ["a"]),
        ({"q": "nobody says this"}, []),
    ],
    ids=str,
)
async def test_the_list_is_narrowed(
    console: Console, parameters: dict[str, Any], expected: list[str]
) -> None:
    """
    Each filter leaves the sessions that match it.
    """
    await begin(console, "a", user_id="ada", tags=("vip", "new"))
    active = SessionStatus.ACTIVE
    await begin(console, "b", tenant_id="acme", status=active, parent_session_id="a")
    later = NOON + timedelta(hours=1)
    await begin(console, "c", agent_id="other", tags=("vip",), created_at=later)
    await begin(console, "d")
    await console.ports.maintenance.soft_delete_session("d")

    assert titles(await console.get("sessions", **parameters)) == expected


async def test_a_session_is_listed_under_what_it_is_called_or_what_was_said(
    console: Console,
) -> None:
    """
    A title comes from the metadata, the user's first words, anyone's, or the id.
    """
    store = console.ports.store
    for id_ in ("given", "said", "parts", "system", "silent"):
        await begin(console, id_, metadata={"name": "A name"} if id_ == "given" else {})
    await store.append_events(
        [
            said("given", "not looked at"),
            said("said", "be kind", role="system"),
            said("said", "  How do\nI land?  "),
            said("parts", [{"type": "text", "text": "Look:"}, {"type": "image_url"}]),
            said("system", "x" * 500, role="system"),
        ]
    )

    rows = {row["id"]: row for row in (await console.get("sessions"))["items"]}

    assert {id_: (row["title"], row["title_is"]) for id_, row in rows.items()} == {
        "given": ("A name", "given"),
        "said": ("How do I land?", "said"),
        "parts": ("Look:", "said"),
        "system": ("x" * 199 + "…", "said"),
        "silent": ("silent", "id"),
    }


async def test_a_search_finds_what_was_said_first(console: Console) -> None:
    """
    A session without a title is found by the words under which it is listed.
    """
    await begin(console, "a", metadata={})
    await begin(console, "b", metadata={"title": "Refunds"})
    store = console.ports.store
    await store.append_event(said("a", "I want my refund"))
    await store.append_event(said("b", "flights"))

    assert titles(await console.get("sessions", q="refund")) == [
        "Refunds",
        "I want my refund",
    ]
    assert titles(await console.get("sessions", q="flights")) == []


async def test_a_search_goes_on_where_the_last_page_ended(console: Console) -> None:
    """
    Pages of a search have each match once, in the order of the list.
    """
    for number in range(120):
        await begin(console, f"s{number:03}", tags=("x",) if number % 7 else ("odd",))

    found: list[str] = []
    looked_at = 0
    cursor: dict[str, str] = {}
    while True:
        page = await console.get("sessions", q="odd", limit=4, **cursor)
        assert len(page["items"]) <= 4
        found += titles(page)
        looked_at += page["looked_at"]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}

    assert found == [f"s{number:03}" for number in range(119, -1, -7)]
    assert looked_at == 120


async def test_a_row_has_the_counts_of_a_session_and_its_latest_run(
    console: Console,
) -> None:
    """
    A row says how many events and runs there are, their tokens, and how it stands.
    """
    await begin(console, "a")
    store = console.ports.store
    for number in range(12):
        run = make_run(
            id=f"run_{number:02}",
            session_id="a",
            started_at=NOON + timedelta(minutes=number),
            token_usage={"input_tokens": 10, "output_tokens": 1},
            provider_metadata={"model": "m"},
            provider="p",
        )
        await store.save_run(run)
        if number not in {3, 11}:
            continue
        (row,) = (await console.get("sessions"))["items"]
        assert row["run_count"] == number + 1
        assert row["tokens"]["total"] == 11 * (number + 1)
        assert row["latest_run"] == {
            "id": f"run_{number:02}",
            "state": "pending",
            "started_at": run.started_at.isoformat(timespec="microseconds"),
            "ended_at": None,
            "provider": "p",
            "model": "m",
            "error": None,
        }
    await store.append_event(make_event(session_id="a"))
    assert (await console.get("rows", session_id=["a", "none"]))["items"] == (
        await console.get("sessions")
    )["items"]
    assert (await console.get("rows", session_id="a"))["items"][0][
        "latest_sequence"
    ] == 1


async def running_run(console: Console, id_: str, *, silent_seconds: float) -> None:
    """
    Store a running run whose recorder was heard of so long ago.
    """
    run = make_run(id=id_, session_id="a", status=RunStatus.RUNNING)
    await console.ports.store.save_run(run)
    lease = RunItems("a", id_).new_lease("recorder", 60.0)
    renewed_at = datetime.now(UTC).timestamp() - silent_seconds
    data = {**lease.data, "renewed_at": renewed_at}
    await console.ports.state.save_items([attrs.evolve(lease, data=data)])


async def test_a_run_whose_recorder_is_silent_is_interrupted(console: Console) -> None:
    """
    A lease that has lapsed shows the run as interrupted, before anybody recovers it.
    """
    await begin(console, "a")
    await running_run(console, "lapsed", silent_seconds=100)
    await running_run(console, "late", silent_seconds=70)
    await running_run(console, "alive", silent_seconds=1)
    await console.ports.store.save_run(
        make_run(id="by_hand", session_id="a", status=RunStatus.RUNNING)
    )
    ended = make_run(id="recovered", session_id="a", status=RunStatus.RUNNING).fail(
        {"code": "interrupted", "message": "gone"}
    )
    await console.ports.store.save_run(ended)

    runs = {
        run["id"]: run for run in (await console.get("runs", session_id="a"))["items"]
    }

    assert {id_: (run["state"], run["is_recovered"]) for id_, run in runs.items()} == {
        "lapsed": ("interrupted", False),
        "late": ("running", False),
        "alive": ("running", False),
        "by_hand": ("running", False),
        "recovered": ("interrupted", True),
    }
    assert runs["by_hand"]["lease"] is None
    assert runs["lapsed"]["lease"]["seconds"] == 60
    assert runs["recovered"]["error"]["code"] == "interrupted"


async def test_a_recorded_run_is_shown_with_its_lease_while_it_runs(
    console: Console,
) -> None:
    """
    What records a run says that it lives, and the console reads it.
    """
    await begin(console, "a")
    session = await console.ports.store.get_session("a")
    async with record_run(console.ports.store, session, input="hello"):
        (run,) = (await console.get("runs", session_id="a"))["items"]
        assert run["state"] == "running"
        assert run["lease"] is not None
        assert run["input"]["text"] == "hello"
    (run,) = (await console.get("runs", session_id="a"))["items"]
    assert (run["state"], run["lease"]) == ("completed", None)


def price(provider: str | None, model: str | None) -> TokenPrice | None:
    """
    Return what the one model with a price costs.
    """
    if (provider, model) != ("p", "m"):
        return None
    return TokenPrice(input_usd_per_million=2, output_usd_per_million=10)


async def test_costs_are_those_stored_or_those_of_the_price_list() -> None:
    """
    A run says whether its cost was stored or computed, or that nobody knows it.
    """
    async with open_console(None, price_lookup=price) as console:
        await begin(console, "a")
        usage = {"input_tokens": 1_000_000, "output_tokens": 100_000}
        known: dict[str, Any] = {
            "token_usage": usage,
            "provider": "p",
            "provider_metadata": {"model": "m"},
        }
        runs_by_cost: dict[str, dict[str, Any]] = {
            "stored": {**known, "cost_usd": 0.5},
            "computed": known,
            "unknown": {**known, "provider": "q"},
            "untold": {**known, "token_usage": {}},
        }
        for id_, fields in runs_by_cost.items():
            await console.ports.store.save_run(
                make_run(id=id_, session_id="a", **fields)
            )

        runs = (await console.get("runs", session_id="a"))["items"]
        one = await console.get("session", session_id="a")

    assert {run["id"]: (run["cost_usd"], run["cost_is_computed"]) for run in runs} == {
        "stored": (0.5, False),
        "computed": (3.0, True),
        "unknown": (None, False),
        "untold": (None, False),
    }
    assert (one["cost_usd"], one["unpriced_runs"]) == (3.5, 2)


async def test_long_texts_of_a_run_are_cut_in_a_list_and_whole_alone(
    console: Console,
) -> None:
    """
    What is left out of a list is said in bytes, and is in the route of one run.
    """
    await begin(console, "a")
    text = "ä" * 3_000
    await console.ports.store.save_run(
        make_run(session_id="a", input=text, output={"answer": [1]})
    )

    (run,) = (await console.get("runs", session_id="a"))["items"]
    whole = await console.get("run", session_id="a", run_id="run_1")

    assert run["input"] == {
        "text": "ä" * 2_000,
        "format": "text",
        "more_bytes": 2_000,
    }
    assert whole["input"] == {"text": text, "format": "text", "more_bytes": 0}
    assert whole["output"]["format"] == "json"
    assert whole["output"]["text"] == '{\n  "answer": [\n    1\n  ]\n}'


async def test_a_tree_goes_from_the_topmost_session_down(console: Console) -> None:
    """
    Forks and child sessions are told apart, and a circle of parents ends.
    """
    await begin(console, "root")
    store = console.ports.store
    await store.append_event(said("root", "hello"))
    await store.copy_session(
        "root", make_session(id="fork", metadata={"title": "fork"})
    )
    await begin(console, "child", parent_session_id="root")
    await begin(console, "grandchild", parent_session_id="child")
    await begin(console, "round", parent_session_id="trip")
    await begin(console, "trip", parent_session_id="round")
    await begin(console, "orphan", parent_session_id="nobody")
    await console.ports.maintenance.soft_delete_session("child")

    tree = await console.get("tree", session_id="grandchild")

    root = tree["root"]
    assert (root["id"], root["relation"], tree["is_cut"]) == ("root", "root", False)
    children = {node["id"]: node for node in root["children"]}
    assert {id_: node["relation"] for id_, node in children.items()} == {
        "fork": "fork",
        "child": "child",
    }
    assert children["child"]["deleted_at"] is not None
    (grandchild,) = children["child"]["children"]
    assert grandchild["is_selected"]
    circle = (await console.get("tree", session_id="trip"))["root"]
    assert (circle["id"], len(circle["children"])) == ("round", 1)
    orphan = (await console.get("tree", session_id="orphan"))["root"]
    assert (orphan["id"], orphan["children"]) == ("orphan", [])


async def test_a_large_tree_says_what_it_leaves_out(console: Console) -> None:
    """
    Of many children the first are shown, and the number of the others.
    """
    await begin(console, "root")
    for number in range(60):
        await begin(console, f"c{number:02}", parent_session_id="root")

    tree = await console.get("tree", session_id="root")

    assert tree["is_cut"]
    assert len(tree["root"]["children"]) == 50
    assert tree["root"]["more_children"] == 10


async def test_ids_of_any_characters_are_reached(console: Console) -> None:
    """
    A session whose id has slashes, blanks and quotes is shown like any other.
    """
    id_ = "app/user 1?#&%2F\"'ä\n"
    await begin(console, id_)
    await console.ports.store.append_event(make_event(session_id=id_))
    await console.ports.store.save_run(make_run(id="r/1", session_id=id_))

    assert (await console.get("session", session_id=id_))["session"]["id"] == id_
    assert len((await console.get("entries", session_id=id_))["items"]) == 1
    run = await console.get("run", session_id=id_, run_id="r/1")
    assert isinstance(run, dict)
    assert Run.new(session_id=id_).session_id == run["session_id"]
