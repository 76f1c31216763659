"""
Our session service beside ADK's own in memory: the same operations, the same answers.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import attrs
import pytest
from google.adk.events.event import Event
from google.adk.platform import time as adk_time
from google.adk.sessions.base_session_service import (
    BaseSessionService,
    GetSessionConfig,
)
from google.adk.sessions.in_memory_session_service import InMemorySessionService
from google.adk.sessions.session import Session

from asm_async import Ports
from asm_async.integrations.google_adk import AsmSessionService
from tests.frameworks.google_adk.adk_events import random_event, random_state

STEPS = 60
APPS, USERS, SESSIONS = ("app", "app/2"), ("ann", "bob"), ("s1", "s2", " ")


@pytest.fixture
def clock() -> Iterator[list[float]]:
    """
    Give ADK a clock that stands, and yield it.
    """
    now = [1_700_000_000.25]
    adk_time.set_time_provider(lambda: now[0])
    yield now
    adk_time.reset_time_provider()


@attrs.define
class Pair:
    """
    Both services, and the session object that each has given for a name.
    """

    services: tuple[BaseSessionService, BaseSessionService]
    held: dict[tuple[str, str, str], list[Session]] = attrs.field(factory=dict)

    async def both(
        self, do: Callable[[BaseSessionService, int], Awaitable[Any]]
    ) -> list[Any]:
        """
        Do something with each, and require the same answer or the same error.
        """
        answers = [await _outcome(do, each, i) for i, each in enumerate(self.services)]
        assert _plain(answers[0]) == _plain(answers[1])
        return answers

    async def create(self, name: tuple[str, str, str], state: dict[str, Any]) -> None:
        """
        Create a session with a state.
        """
        app, user, session_id = name
        made = await self.both(
            lambda service, _: service.create_session(
                app_name=app,
                user_id=user,
                session_id=session_id,
                state=copy.deepcopy(state),
            )
        )
        if isinstance(made[0], Session):
            self.held[name] = made

    async def get(
        self, name: tuple[str, str, str], config: GetSessionConfig | None
    ) -> None:
        """
        Read a session; one that is whole is written to from then on.
        """
        app, user, session_id = name
        got = await self.both(
            lambda service, _: service.get_session(
                app_name=app, user_id=user, session_id=session_id, config=config
            )
        )
        if isinstance(got[0], Session) and config is None:
            self.held[name] = got

    async def append(self, name: tuple[str, str, str], event: Event) -> None:
        """
        Append an event to the session object of each.
        """
        if held := self.held.get(name):
            await self.both(
                lambda service, i: service.append_event(held[i], copy.deepcopy(event))
            )
            if event.partial is None:
                await self.get(name, None)


async def _outcome(do: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
    try:
        return await do(*arguments)
    except ValueError as error:
        return type(error)
    except Exception as error:  # noqa: BLE001 - whatever ADK raises we raise, too
        return type(error)


def _plain(answer: Any) -> Any:
    return answer.model_dump() if hasattr(answer, "model_dump") else answer


def _config(draw: random.Random, now: float) -> GetSessionConfig | None:
    if draw.random() < 0.3:
        return None
    return GetSessionConfig(
        num_recent_events=draw.choice([None, 0, 1, 3, 50]),
        after_timestamp=draw.choice([None, 0.0, now - 7, now, now + 1]),
    )


async def _step(pair: Pair, draw: random.Random, now: float) -> None:
    app, user, session_id = name = (
        draw.choice(APPS),
        draw.choice(USERS),
        draw.choice(SESSIONS[:2]),
    )
    match draw.randrange(12):
        case 0 | 1:
            await pair.create(name, random_state(draw))
        case 2:
            await pair.get(name, _config(draw, now))
        case 3:
            who = draw.choice([None, user])
            await pair.both(
                lambda service, _: service.list_sessions(app_name=app, user_id=who)
            )
        case 4:
            await pair.both(
                lambda service, _: service.get_user_state(app_name=app, user_id=user)
            )
        case 5 if draw.random() < 0.4:
            await pair.both(
                lambda service, _: service.delete_session(
                    app_name=app, user_id=user, session_id=session_id
                )
            )
        case _:
            await pair.append(name, random_event(draw, now))


@pytest.mark.parametrize("seed", range(4))
async def test_it_answers_as_adks_own(
    ports: Ports, clock: list[float], seed: int
) -> None:
    """
    Random operations are answered as ADK's service in memory answers them.
    """
    draw = random.Random(seed)
    pair = Pair((InMemorySessionService(), AsmSessionService(ports)))
    for _ in range(STEPS):
        clock[0] += 1.125
        await _step(pair, draw, clock[0])
    for app in APPS:
        await pair.both(lambda service, _, app=app: service.list_sessions(app_name=app))
    assert pair.held
