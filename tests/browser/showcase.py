"""
Sessions as a console meets them: every kind of event, and all that can go wrong.

The agent plans trips. One session has it all (``RICH``), one is empty, one is full of
what a browser must not take for its own; others fill the list and the charts.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from asm_async import (
    Changes,
    Event,
    Ports,
    Run,
    RunStatus,
    Session,
    SessionStatus,
    conventions,
)
from asm_async.recording.endings import Ending, completed, failed

RICH = "ses_lisbon"
EMPTY = "ses_empty"
HOSTILE = 'ses_"><img src=x onerror=alert(1)>/ &?#'
MARKUP = "<img src=x onerror=\"document.title='taken'\"><script>alert(1)</script>"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HUGE_NUMBER = 12345678901234567890123
MODELS = (("acme", "large-2"), ("acme", "small-2"), ("other", "swift-1"))
TITLES = (
    "Refund for a cancelled train",
    "Summarise the quarterly incident reports",
    "Why does the nightly import take two hours?",
    "Draft release notes for 4.2",
    "Find a quiet hotel near the harbour",
    "Compare three storage engines",
    "Translate the safety sheet into German",
    "Reproduce the flaky checkout test",
    "Plan a workshop on event logs",
    "Check the invoices of last month",
    "Explain the failed deployment",
    "Outline a talk about durable agents",
    "Clean up the address book",
    "Which flights have a window seat left?",
)
ANSWER = """There are two good connections. The earlier one leaves at 07:45.

```python
best = min(connections, key=lambda each: each.arrival)
print(best.number)  # 117
```

Shall I book `117` for both of you?"""


@attrs.define
class Script:
    """
    Writes what happens in one run, at times of its own.
    """

    session_id: str
    run: Run
    now: datetime
    events: list[Event] = attrs.field(factory=list[Event])

    def add(self, build: Any, after: float = 1.0, **members: Any) -> Event:
        """
        Have something happen, so many seconds after what was before.
        """
        self.now += timedelta(seconds=after)
        made: Event = build(
            session_id=self.session_id,
            run_id=self.run.id,
            timestamp=self.now,
            **members,
        )
        self.events.append(made)
        return made

    def call(self, id_: str, name: str, given: Any, told: Any, took: float) -> None:
        """
        Have a tool called, and answer.
        """
        self.add(
            conventions.tool_call_started,
            tool_call_id=id_,
            tool_name=name,
            tool_input=given,
        )
        self.add(
            conventions.tool_call_completed,
            took,
            tool_call_id=id_,
            tool_name=name,
            tool_output=told,
            duration_ms=took * 1_000,
        )


def new_run(
    session_id: str,
    began: datetime,
    *,
    model: int = 0,
    used: tuple[int, int] = (1_240, 210),
    cost: float | None = 0.0124,
    said: str = "",
) -> Run:
    """
    Make a run of one of the models.
    """
    provider, name = MODELS[model % len(MODELS)]
    run = Run.new(
        session_id=session_id,
        started_at=began,
        provider=provider,
        provider_metadata={"model": name},
        input=said or None,
    ).update_status(RunStatus.RUNNING, at=began)
    counts = {"input_tokens": used[0], "output_tokens": used[1]}
    return attrs.evolve(run, token_usage=counts, cost_usd=cost)


def rich_session(now: datetime) -> Iterator[Changes]:
    """
    Yield all kinds of events, in one session of three runs, the last of which runs.
    """
    began = now - timedelta(minutes=34)
    session = Session.new(
        id=RICH,
        agent_id="trip-planner",
        user_id="u-2041",
        tags=["beta", "vip"],
        metadata={"title": "Two tickets to Lisbon in May", "channel": "web"},
        created_at=began,
    )
    session = session.update_status(SessionStatus.ACTIVE, at=began)
    run = new_run(RICH, began, said="We need two tickets to Lisbon in the second week.")
    script = Script(RICH, run, began)
    add = script.add
    add(conventions.run_started, 0, model=run.model)
    system = (
        "You plan trips. Be brief. Ask before you book anything.\n\n- Prices in EUR."
    )
    add(conventions.message_sent, 0.1, content=system, role="system")
    asked = [
        {"type": "text", "text": "We need two tickets to Lisbon in the second week."},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "input_file", "filename": "passports.pdf", "file_id": "file-7"},
    ]
    add(conventions.message_sent, 2, content=asked)
    given: dict[str, Any] = {
        "from": "BER",
        "to": "LIS",
        "passengers": [{"age": 34}, {"age": 36}],
    }
    given["dates"] = {"earliest": "2026-05-11", "latest": "2026-05-17"}
    add(
        conventions.tool_call_started,
        tool_call_id="call_1",
        tool_name="search_flights",
        tool_input=given,
    )
    add(
        conventions.tool_call_failed,
        4,
        tool_call_id="call_1",
        tool_name="search_flights",
        error_message="The airline's service did not answer within 4 seconds.",
        error_code="timeout",
        duration_ms=4_000,
    )
    found = [
        {"flight": "TP 117", "leaves": "07:45", "price": 189.0, "seats": 9},
        {"flight": "TP 123", "leaves": "14:20", "price": 164.5, "seats": 2},
    ]
    script.call("call_2", "search_flights", given, found, 1.3)
    add(
        conventions.token_usage_updated,
        0.2,
        input_tokens=1_240,
        output_tokens=86,
        cache_read_tokens=1_024,
    )
    for piece in ("There are two ", "good connections. ", "The earlier one leaves "):
        add(conventions.message_streamed, 0.1, delta=piece, message_id="msg_1")
    add(
        conventions.message_received,
        content=ANSWER,
        message_id="msg_1",
        model=run.model,
        stop_reason="end_turn",
    )
    done, end = completed(attrs.evolve(run, turn_count=2), script.now, None)
    yield Changes(session=session, runs=(done,), events=(*script.events, end))
    yield from _later_runs(now)


def _later_runs(now: datetime) -> Iterator[Changes]:
    began = now - timedelta(minutes=21)
    run = new_run(RICH, began, model=1, used=(2_050, 12), cost=0.0031, said="The 117.")
    script = Script(RICH, run, began)
    add = script.add
    add(conventions.run_started, 0, model=run.model)
    add(conventions.message_sent, 1, content="The 117, please. Use my card.")
    tool: dict[str, Any] = {"tool_call_id": "call_3", "tool_name": "book_flight"}
    add(
        conventions.tool_approval_requested,
        **tool,
        tool_input={"flight": "TP 117", "seats": 2, "total": 378.0},
        policy_name="spending",
    )
    add(conventions.tool_approval_granted, 9, **tool, decided_by="u-2041")
    add(
        conventions.error_occurred,
        error_message="429 Too Many Requests: try again in 2 seconds.",
        error_code="rate_limited",
        details={"retry_after": 2, "request": HUGE_NUMBER},
    )
    add(
        conventions.error_recovered,
        2.1,
        error_message="The second attempt went through.",
    )
    add(
        conventions.policy_violation,
        policy="spending",
        kind="daily_limit",
        action="blocked",
        tool_name="book_flight",
        details={"limit": 300, "asked": 378},
    )
    end = failed("policy_violation", "The booking is above the daily limit of 300 EUR.")
    ended, last = end(run, script.now + timedelta(seconds=1), None)
    yield Changes(runs=(ended,), events=(*script.events, last))
    began = now - timedelta(minutes=2)
    run = new_run(RICH, began, used=(2_410, 64), cost=0.0206, said="Raise the limit.")
    script = Script(RICH, run, began)
    script.add(conventions.run_started, 0, model=run.model)
    script.add(conventions.message_sent, content="I have raised the limit. Try again.")
    script.call("call_4", "book_flight", {"flight": "TP 117"}, {"booking": "K4X9P2"}, 2)
    said = (
        "Booked: **TP 117** for two, reference `K4X9P2`. I am asking for the seats now."
    )
    script.add(conventions.message_received, content=said, model=run.model)
    script.add(
        conventions.tool_call_started,
        tool_call_id="call_5",
        tool_name="choose_seats",
        tool_input={"booking": "K4X9P2", "wish": "window"},
    )
    yield Changes(runs=(run,), events=tuple(script.events))


def hostile_session(now: datetime) -> Changes:
    """
    Make a session in which everything that can be text is markup.
    """
    session = Session.new(
        id=HOSTILE,
        agent_id=MARKUP[:60],
        user_id=MARKUP[:40],
        tags=[MARKUP],
        metadata={"title": MARKUP, MARKUP: MARKUP},
        created_at=now,
    )
    run = attrs.evolve(new_run(HOSTILE, now, said=MARKUP), id=f"run {MARKUP}")
    script = Script(HOSTILE, run, now)
    script.add(conventions.run_started, model=MARKUP)
    script.add(conventions.message_sent, content=MARKUP)
    script.add(conventions.message_received, content=[{"type": MARKUP, "text": MARKUP}])
    url = {"url": "https://example.invalid/x.png"}
    image = [{"type": "image_url", "image_url": url}]
    script.add(conventions.message_sent, content=image)
    script.call(MARKUP, MARKUP, {MARKUP: MARKUP}, {MARKUP: [MARKUP]}, 1)
    script.add(conventions.error_occurred, error_message=MARKUP, error_code=MARKUP)
    script.events.append(
        Event.new(
            type="shop.note",
            session_id=HOSTILE,
            data={"__proto__": {"polluted": True}, "text": MARKUP},
        )
    )
    ended, last = failed(MARKUP[:20], MARKUP)(run, script.now, None)
    return Changes(session=session, runs=(ended,), events=(*script.events, last))


def ordinary_session(number: int, now: datetime, chance: random.Random) -> Changes:
    """
    Make one of those that fill the list, with a run or two.
    """
    id_ = f"ses_{number:04}"
    began = now - timedelta(minutes=37 * number * (1 + number / 12))
    session = Session.new(
        id=id_,
        agent_id=("trip-planner", "researcher", "support")[number % 3],
        user_id=f"u-{2_030 + number % 7}",
        tags=["beta"] if number % 5 == 0 else [],
        metadata={"title": TITLES[number % len(TITLES)]},
        created_at=began,
    ).update_status(SessionStatus.ACTIVE, at=began)
    runs: list[Run] = []
    events: list[Event] = []
    for turn in range(1 + number % 3):
        start = began + timedelta(minutes=3 * turn)
        used = (chance.randrange(400, 9_000), chance.randrange(60, 900))
        cost = None if number % 11 == 0 else round(sum(used) * 4e-6, 6)
        title = str(session.metadata["title"])
        run = new_run(id_, start, model=number + turn, used=used, cost=cost, said=title)
        script = Script(id_, run, start)
        script.add(conventions.run_started, 0, model=run.model)
        script.add(conventions.message_sent, content=title)
        script.add(conventions.message_received, content="I am looking into it.")
        took = timedelta(milliseconds=chance.randrange(900, 14_000))
        end: Ending = completed
        if number % 6 == 4:
            end = failed("rate_limited", "The provider refused: too many requests.")
        if number % 9 == 5:
            end = failed("interrupted", "The process that recorded it is gone.")
        ended, last = end(run, start + took, None)
        runs.append(ended)
        events += [*script.events, last]
    if number % 4 == 3:
        session = session.update_status(SessionStatus.COMPLETED, at=began)
    return Changes(session=session, runs=tuple(runs), events=tuple(events))


async def write_showcase(ports: Ports, *, sessions: int = 30) -> None:
    """
    Store all of them; the rich one is the latest.
    """
    now = datetime.now(UTC)
    chance = random.Random(7)
    for number in reversed(range(1, sessions + 1)):
        await ports.store.commit(ordinary_session(number, now, chance))
    await ports.store.commit(hostile_session(now - timedelta(days=3)))
    await ports.store.save_session(Session.new(id=EMPTY, agent_id="support"))
    for changes in rich_session(now):
        await ports.store.commit(changes)
    await relatives(ports, now)
    await ports.store.retract_events(RICH, first=24, last=25)


async def relatives(ports: Ports, now: datetime) -> None:
    """
    Give the rich session a fork, a child, and the child one of its own.
    """
    fork = Session.new(
        id="ses_fork",
        agent_id="trip-planner",
        user_id="u-2041",
        metadata={"title": "Two tickets to Lisbon, by train"},
    )
    await ports.store.copy_session(RICH, fork, through=3)
    parent = RICH
    for id_, title in (
        ("ses_child", "Research: hotels near the station"),
        ("ses_grandchild", "Research: quiet streets"),
    ):
        child = Session.new(
            id=id_,
            agent_id="researcher",
            parent_session_id=parent,
            metadata={"title": title},
            created_at=now,
        )
        await ports.store.save_session(child)
        parent = id_


def age_sessions(path: Path, *, but: str = RICH) -> None:
    """
    Have the sessions of an SQLite file been active when they were created.

    The store alone gives this time, as it must; a picture would show "now" everywhere.
    """
    with sqlite3.connect(path) as conn:
        conn.execute(
            """
            UPDATE asm_session_sequences AS counter
            SET updated_at = created_at, active_until = created_at + 60000000
            FROM asm_sessions AS session
            WHERE session.id = counter.session_id AND session.id <> ?
            """,
            (but,),
        )
    conn.close()
