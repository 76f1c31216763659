"""
Two tenants that use one id: what one asks for while it becomes the other's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, TypeAlias

import attrs
import httpx
import pytest

from asm_async import Ports
from asm_async.integrations.fastapi.ports import AppState, app_state_of
from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.values.execution_result import ExecutionResult
from tests.integration.fastapi.serving import Service
from tests.integration.fastapi.test_tenants import OF_ONE_SESSION, OWN, body_for

THEIRS = "theirs"
SECRET = "hush"  # noqa: S105 - what the other tenant must not see

Swap: TypeAlias = Callable[[], Awaitable[None]]

ROUNDS = int(os.environ.get("ASM_TEST_TENANT_ROUNDS", "3"))
"""
How often the two tenants meet.
"""


class Gate:
    """
    Lets something happen before a certain call of any port.
    """

    def __init__(self, number: int, swap: Swap) -> None:
        self.left = number
        self._swap = swap

    async def pass_one(self) -> None:
        """
        Let a call of a port pass.
        """
        self.left -= 1
        if not self.left:
            await self._swap()


class GatedPort:
    """
    A port whose calls go through a gate.
    """

    def __init__(self, port: Any, gate: Gate) -> None:
        self._port = port
        self._gate = gate

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            await self._gate.pass_one()
            return await getattr(self._port, name)(*args, **options)

        return call


@contextmanager
def gated(service: Service, gate: Gate) -> Generator[None]:
    """
    Have all that requests ask of ports, but for the feed, pass *gate*.
    """
    state = app_state_of(service.app)
    ports: Any = [
        GatedPort(port, gate)
        for port in (state.ports.store, state.ports.query, state.ports.maintenance)
    ]
    store, query, maintenance = ports
    behind = Ports(
        store=store,
        state=state.ports.state,
        query=query,
        maintenance=maintenance,
        feed=state.ports.feed,
        artifacts=state.ports.artifacts,
    )
    service.app.state.asm_async = AppState(ports=behind, streams=state.streams)
    try:
        yield
    finally:
        service.app.state.asm_async = state


async def text_of(
    client: httpx.AsyncClient, method: str, url: str, **options: Any
) -> str:
    """
    Return what a request is answered with, also if the answer is broken off.
    """
    text = ""
    # What is streamed ends where it turns out to be another's.
    with suppress(httpx.RemoteProtocolError):
        async with client.stream(method, url, **options) as answer:
            async for part in answer.aiter_text():
                text += part
    return text


def history_of(session_id: str, tenant_id: str, secret: str) -> ExecutionResult:
    """
    Make what a tenant keeps under an id.
    """
    return ExecutionResult(
        session=make_session(
            id=session_id, tenant_id=tenant_id, metadata={"secret": secret}
        ),
        run=make_run(id=f"run_{secret}", session_id=session_id, provider=secret),
        events=(
            make_event(
                id=f"evt_{secret}", session_id=session_id, data={"content": secret}
            ),
        ),
    )


@pytest.mark.parametrize(
    ("method", "path", "is_hard"),
    [
        (method, path, is_hard)
        for method, path in OF_ONE_SESSION
        if not path.endswith("/stream")
        for is_hard in ([False, True] if method == "DELETE" else [False])
    ],
)
async def test_what_becomes_anothers_before_any_step_is_neither_read_nor_written(
    service: Service, method: str, path: str, *, is_hard: bool
) -> None:
    """
    Whatever call of a route the id changes hands before, the route knows only its own.
    """
    store, query = service.ports.store, service.ports.query
    session_id, run_id = "user-42", "run_own"
    async with service.client_of(OWN) as own:
        for number in range(1, 17):
            await store.delete_session(session_id)
            await store.flush(history_of(session_id, OWN, "own"))

            async def swap() -> None:
                await store.delete_session(session_id)
                await store.flush(history_of(session_id, THEIRS, SECRET))

            gate = Gate(number, swap)
            params = {"hard": True} if is_hard else {}
            with gated(service, gate):
                url = path.format(session_id=session_id, run_id=run_id)
                options = {"params": params, **body_for(method, path)}
                text = await text_of(own, method, url, **options)
            assert SECRET not in text, number
            if gate.left > 0:
                break
            theirs = await query.export_session(session_id, expected_tenant=THEIRS)
            session, kept = theirs.session, history_of(session_id, THEIRS, SECRET)
            assert kept.session is not None
            assert session.has_same_content(kept.session), number
            assert [run.provider for run in theirs.runs] == [SECRET], number
            assert [event.data for event in theirs.events] == [{"content": SECRET}]
        else:
            raise AssertionError("it never ended")
    assert number > 1


@attrs.define
class Meeting:
    """
    One id that two tenants use at the same time, and what they were told.
    """

    service: Service
    session_id: str
    acknowledged: set[str] = attrs.field(factory=set[str])
    """
    The events of the tenant that deletes nothing.
    """

    is_begun: bool = False
    """
    Whether that tenant has begun its session.
    """

    async def take_place(self) -> None:
        """
        Have one tenant delete, read and append while the other begins and appends.
        """
        url = f"/sessions/{self.session_id}"
        async with (
            self.service.client_of(OWN) as own,
            self.service.client_of(THEIRS) as theirs,
        ):
            await self._begin(own, OWN)
            async with asyncio.TaskGroup() as group:
                for number in range(6):
                    group.create_task(own.delete(url, params={"hard": "true"}))
                    group.create_task(self._append(own, OWN, number))
                for path in ("", "/events", "/runs", "/export", "/stats") * 2:
                    group.create_task(self._read(own, url + path))
                for number in range(3):
                    group.create_task(self._act(theirs, number))
        await self._check()

    async def _begin(self, client: httpx.AsyncClient, tenant_id: str) -> int:
        body = make_session(metadata={"of": tenant_id}).to_dict()
        del body["id"], body["tenant_id"]
        url = f"/sessions/{self.session_id}"
        return (await client.put(url, json=body)).status_code

    async def _append(
        self, client: httpx.AsyncClient, tenant_id: str, number: int
    ) -> int:
        event = {
            "id": f"evt_{tenant_id}_{number}",
            "type": "message_sent",
            "timestamp": "2026-01-02T12:00:00Z",
            "data": {"of": tenant_id},
        }
        url = f"/sessions/{self.session_id}/events"
        return (await client.post(url, json=event)).status_code

    async def _read(self, client: httpx.AsyncClient, url: str) -> None:
        assert THEIRS not in await text_of(client, "GET", url)

    async def _act(self, client: httpx.AsyncClient, number: int) -> None:
        if await self._begin(client, THEIRS) in {HTTPStatus.OK, HTTPStatus.CREATED}:
            self.is_begun = True
        if await self._append(client, THEIRS, number) == HTTPStatus.CREATED:
            self.acknowledged.add(f"evt_{THEIRS}_{number}")

    async def _check(self) -> None:
        store = self.service.ports.store
        found = [s for s in await store.list_sessions() if s.id == self.session_id]
        assert bool(found) >= self.is_begun
        for session in found:
            events = await store.get_events(session.id)
            assert session.metadata == {"of": session.tenant_id}
            assert {event.data["of"] for event in events} <= {session.tenant_id}
            if self.is_begun:
                assert session.tenant_id == THEIRS
                assert {event.id for event in events} >= self.acknowledged


@pytest.mark.timeout(60 + 3 * ROUNDS)
async def test_two_tenants_that_use_one_id_never_meet(service: Service) -> None:
    """
    Neither reads, changes or destroys what is the other's, whoever is faster.
    """
    for number in range(ROUNDS):
        await Meeting(service, f"user-{number}").take_place()
