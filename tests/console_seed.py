"""
A database as a console meets it: many sessions, and one that is very long.

    python -m tests.console_seed URL CONVERSATIONS --sessions 10000 --events 100000

CONVERSATIONS is a JSON list of conversations: objects with chat messages under "traj"
or "messages". They are stored again and again, with other ids and times.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from asm_async import Event, Ports, Run, Session, SessionStatus, conventions, open_ports
from asm_async.recording.endings import completed, failed
from asm_async.transcripts import events_from_openai
from asm_async.values.changes import Changes

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LONG_SESSION = "ses_long"
AGENTS = ("airline", "concierge", "researcher")
USERS = ("ada", "grace", "linus", None)
MODELS = (("openai", "gpt-5"), ("anthropic", "claude-sonnet-4-5"), ("acme", "small"))


def read_conversations(path: Path) -> list[list[dict[str, Any]]]:
    """
    Return the messages of each conversation of a file.
    """
    parsed: list[dict[str, Any]] = json.loads(path.read_bytes())
    return [each.get("traj") or each["messages"] for each in parsed]


@attrs.define
class Seed:
    """
    Makes sessions of conversations, the same ones each time.
    """

    conversations: list[list[dict[str, Any]]]
    tenants: tuple[str | None, ...] = (None,)
    chance: random.Random = attrs.field(factory=lambda: random.Random(1))

    def session(self, number: int, **given: Any) -> Session:
        """
        Return the session of this number; later ones have been active later.
        """
        began = NOW - timedelta(minutes=5 * number)
        fields: dict[str, Any] = {
            "id": f"ses_{number:05}",
            "agent_id": AGENTS[number % len(AGENTS)],
            "user_id": USERS[number % len(USERS)],
            "tenant_id": self.tenants[number % len(self.tenants)],
            "tags": ["vip"] if number % 10 == 0 else [],
            "metadata": {"title": f"Conversation {number}"} if number % 3 else {},
            "created_at": began,
        }
        session = Session.new(**{**fields, **given})
        status = (SessionStatus.ACTIVE, SessionStatus.COMPLETED)[number % 2]
        return session.update_status(SessionStatus.ACTIVE, at=began).update_status(
            status, at=began
        )

    def changes(self, session: Session, number: int, most: int | None) -> Changes:
        """
        Return a session with one run of a conversation in it, or of its beginning.
        """
        messages = self.conversations[number % len(self.conversations)][:most]
        provider, model = MODELS[number % len(MODELS)]
        begun = session.created_at
        run = Run.new(
            session_id=session.id,
            id=f"run_{session.id}_{number}",
            input=str(messages[0].get("content"))[:200],
            provider=provider,
            provider_metadata={"model": model},
            started_at=begun,
        )
        run = attrs.evolve(
            run,
            token_usage={
                "input_tokens": self.chance.randrange(500, 9_000),
                "output_tokens": self.chance.randrange(50, 900),
            },
            cost_usd=None if number % 4 == 0 else self.chance.randrange(1, 900) / 1e4,
        )
        events = list(self.events(session, run, messages))
        took = timedelta(milliseconds=self.chance.randrange(300, 9_000))
        end = failed("rate_limited", "The provider refused.")
        if number % 20:
            end = completed
        ended, last = end(run, begun + took, None)
        return Changes(session=session, runs=(ended,), events=(*events, last))

    def events(
        self, session: Session, run: Run, messages: list[dict[str, Any]]
    ) -> Iterator[Event]:
        """
        Yield the events of messages, a second apart.
        """
        yield conventions.run_started(
            session_id=session.id,
            run_id=run.id,
            id=f"evt_{run.id}_0",
            timestamp=run.started_at,
            model=run.model,
        )
        made = events_from_openai(messages, session_id=session.id, run_id=run.id)
        for number, event in enumerate(made, 1):
            time = run.started_at + timedelta(seconds=number)
            id_ = f"evt_{run.id}_{number}"
            yield attrs.evolve(event, id=id_, timestamp=time)


async def seed(
    ports: Ports,
    conversations: list[list[dict[str, Any]]],
    *,
    sessions: int,
    events: int = 0,
    messages: int | None = 4,
    tenants: tuple[str | None, ...] = (None,),
) -> None:
    """
    Store so many sessions of a few *messages* each, and one with so many *events*.

    Those that are stored last have been active last: the long one, then number 0.
    """
    made = Seed(conversations, tenants)
    for number in reversed(range(sessions)):
        await ports.store.commit(made.changes(made.session(number), number, messages))
    if events:
        await seed_long_session(ports, made, events)


async def seed_long_session(ports: Ports, made: Seed, events: int) -> None:
    """
    Store one session of whole conversations, until it has so many events.
    """
    session = made.session(0, id=LONG_SESSION, metadata={"title": "The long one"})
    await ports.store.save_session(session)
    left = events
    for number in itertools.count():
        changes = made.changes(session, number, None)
        await ports.store.commit(
            attrs.evolve(changes, session=None, events=changes.events[:left])
        )
        left -= len(changes.events)
        if left <= 0:
            return


async def main() -> None:
    """
    Fill the database that the arguments name.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("conversations", type=Path)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    conversations = read_conversations(options.conversations)
    async with open_ports(options.url, migrate=True, durability="relaxed") as ports:
        await seed(
            ports, conversations, sessions=options.sessions, events=options.events
        )


if __name__ == "__main__":
    asyncio.run(main())
