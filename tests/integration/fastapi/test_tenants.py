"""
Whose sessions exist for a request: in every route and every stream.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from asm_async import errors
from asm_async.integrations.fastapi import router
from asm_async.testing.factories import make_event, make_item, make_run, make_session
from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.serving import Service, authorize

SECRET = "hush"  # noqa: S105 - what the other tenant must not see
OWN = "own"

SESSION = {
    key: value
    for key, value in make_session(metadata={"from": "own"}).to_dict().items()
    if key != "id"
}
RUN = {
    key: value
    for key, value in make_run().to_dict().items()
    if key not in {"id", "session_id"}
}
EVENT = {"id": "evt_9", "type": "message_sent", "timestamp": "2026-01-02T12:00:00Z"}

# What each route that takes a body is sent; a route that is missing here fails.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/sessions"): {"agent_id": "assistant"},
    ("PUT", "/sessions/{session_id}"): SESSION,
    ("POST", "/sessions/{session_id}/restore"): None,
    ("POST", "/sessions/{session_id}/runs"): {},
    ("PUT", "/sessions/{session_id}/runs/{run_id}"): RUN,
    ("POST", "/sessions/{session_id}/commit"): {
        "session": SESSION,
        "runs": [RUN | {"id": "run_9"}],
        "events": [EVENT],
    },
    ("POST", "/sessions/{session_id}/events"): EVENT,
    ("POST", "/sessions/{session_id}/events/batch"): {"events": [EVENT]},
    ("POST", "/sessions/{session_id}/copies"): {"session": SESSION | {"id": "copy"}},
    ("POST", "/sessions/{session_id}/retractions"): {"first": 1, "last": 1},
    ("PUT", "/sessions/{session_id}/state/item"): {"data": 1},
}

# What each route has to be asked for that needs a parameter.
QUERIES = {"/texts": {"query": SECRET}}


def routes() -> Iterator[tuple[str, str]]:
    """
    Yield method and path of every route there is.
    """
    for route in router(authorize=authorize).routes:
        assert isinstance(route, APIRoute)
        for method in sorted(route.methods or ()):
            yield method, route.path


ROUTES = sorted(routes())
OF_ONE_SESSION = [route for route in ROUTES if "{session_id}" in route[1]]
OF_ALL = [route for route in ROUTES if route not in OF_ONE_SESSION]


def body_for(method: str, path: str) -> dict[str, Any]:
    """
    Return what a request needs of parameters and of a body, if any.
    """
    given: dict[str, Any] = {}
    if path.endswith("/item"):
        given["params"] = {"scope": "ses_1", "key": "summary"}
    if method not in {"GET", "DELETE"} and (body := BODIES[method, path]) is not None:
        given["json"] = body
    return given


@pytest.fixture
async def other(service: Service) -> AsyncGenerator[httpx.AsyncClient]:
    """
    Store a session with all it can have for one tenant, and give another's client.
    """
    store = service.ports.store
    for id_, tenant_id in (("ses_1", "theirs"), ("ses_2", OWN)):
        metadata = {"secret": SECRET} if tenant_id == "theirs" else {}
        session = make_session(id=id_, tenant_id=tenant_id, metadata=metadata)
        await store.save_session(session)
    await store.save_run(make_run(provider=SECRET, token_usage={"total_tokens": 7}))
    await store.append_event(make_event(data={"content": SECRET}, run_id="run_1"))
    item = make_item(scope="ses_1", key="summary", data=SECRET, session_id="ses_1")
    await service.ports.state.save_items([item])
    if (texts := service.ports.text_search) is not None:
        await texts.update()
    async with service.client_of(OWN) as client:
        yield client


async def test_nobody_is_let_in_to_any_route(memory_service: Service) -> None:
    """
    Every route asks who it is before anything else, the body included.
    """
    async with httpx.AsyncClient(base_url=memory_service.url) as nobody:
        for method, path in ROUTES:
            url = path.format(session_id="ses_1", run_id="run_1")
            answer = await nobody.request(method, url, content=b"{" * 10)

            assert answer.status_code == HTTPStatus.UNAUTHORIZED, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Test"


async def test_another_tenants_session_is_not_found_by_any_route(
    service: Service, other: httpx.AsyncClient
) -> None:
    """
    What is below another tenant's session is 404, as if it had never been, unchanged.
    """
    before = await service.ports.query.export_session("ses_1")
    for method, path in OF_ONE_SESSION:
        url = path.format(session_id="ses_1", run_id="run_1")
        answer = await other.request(method, url, **body_for(method, path))
        never = (
            await other.request(
                method, url.replace("ses_1", "ses_7"), **body_for(method, path)
            )
            if "PUT" not in method and "commit" not in path
            else answer
        )

        assert answer.status_code == HTTPStatus.NOT_FOUND, (method, path)
        assert SECRET not in answer.text
        assert answer.text == never.text.replace("ses_7", "ses_1"), (method, path)
    hard = await other.delete("/sessions/ses_1", params={"hard": True})
    matched = await other.put(
        "/sessions/ses_1", json=SESSION, headers={"If-Match": '"1"'}
    )

    assert (hard.status_code, matched.status_code) == (404, 404)
    assert await service.ports.query.export_session("ses_1") == before


@pytest.mark.parametrize("own_tenant", [None, OWN])
async def test_no_route_for_all_shows_another_tenants_data(
    service: Service, other: httpx.AsyncClient, own_tenant: str | None
) -> None:
    """
    Lists, searches, counts, sums and exports hold a tenant's own sessions alone.
    """
    params = {} if own_tenant is None else {"tenant_id": own_tenant}
    for method, path in OF_ALL:
        if method != "GET" or path.endswith("/stream"):
            continue
        answer = await other.get(path, params={**params, **QUERIES.get(path, {})})
        if path == "/texts" and service.ports.text_search is None:
            assert answer.status_code == HTTPStatus.NOT_IMPLEMENTED
            continue
        if path == "/health/issues":
            assert answer.status_code == HTTPStatus.FORBIDDEN
            continue
        assert answer.status_code == HTTPStatus.OK, (path, answer.text)
        assert SECRET not in answer.text
        assert "ses_1" not in answer.text
        assert "theirs" not in answer.text
    assert (await other.get("/events/count", params=params)).json() == {"count": 0}
    assert (await other.get("/usage", params=params)).json()["run_count"] == 0
    assert (await other.get("/cost", params=params)).json()["run_count"] == 0
    listed = await other.get("/sessions", params={"count_total": True, **params})
    assert (len(listed.json()["items"]), listed.json()["total_count"]) == (1, 1)


async def test_filters_lead_to_nothing_of_another_tenants(
    other: httpx.AsyncClient,
) -> None:
    """
    Whoever knows another tenant's ids finds nothing by them.
    """
    for url in (
        "/runs?session_id=ses_1",
        f"/runs?provider={SECRET}",
        "/events?session_ids=ses_1",
        "/events?run_ids=run_1",
    ):
        assert (await other.get(url)).json()["items"] == []
    assert (await other.get("/usage?session_id=ses_1")).json()["run_count"] == 0
    assert (await other.get("/cost?session_id=ses_1")).json()["run_count"] == 0


async def test_another_tenant_cannot_be_asked_for(other: httpx.AsyncClient) -> None:
    """
    To name another tenant is answered as if there were none of that name.
    """
    paths = [
        path for method, path in OF_ALL if method == "GET" and "health" not in path
    ]
    for path in paths:
        params = {"tenant_id": "theirs", **QUERIES.get(path, {})}
        answer = await other.get(path, params=params)
        assert answer.status_code == HTTPStatus.NOT_FOUND, path


async def test_what_a_tenant_saves_is_its_own(
    service: Service, other: httpx.AsyncClient
) -> None:
    """
    Sessions that a tenant begins, saves or commits are stamped with its id.
    """
    begun = await other.post("/sessions", json={"agent_id": "assistant"})
    saved = await other.put("/sessions/ses_3", json=SESSION | {"tenant_id": None})
    committed = [
        await other.post(
            f"/sessions/{id_}/commit",
            json={name: SESSION, "runs": [RUN | {"id": id_}], "events": [EVENT]},
        )
        for id_, name in (("ses_4", "session"), ("ses_5", "create_session"))
    ]
    as_theirs = [
        await other.post(
            "/sessions", json={"agent_id": "assistant", "tenant_id": "theirs"}
        ),
        await other.put("/sessions/ses_2", json=SESSION | {"tenant_id": "theirs"}),
    ]

    ids = [answer.json()["id"] for answer in (begun, saved)]
    for session_id in (*ids, *(each.json()["session"]["id"] for each in committed)):
        session = await service.ports.store.get_session(session_id)
        assert session.tenant_id == OWN
    for answer in as_theirs:
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_the_id_of_anothers_run_cannot_be_used(
    service: Service, other: httpx.AsyncClient
) -> None:
    """
    A run whose id another tenant's run has is not found, and nobody learns whose it is.
    """
    saved = await other.put("/sessions/ses_2/runs/run_1", json=RUN)
    committed = await other.post(
        "/sessions/ses_2/commit",
        json={"session": SESSION, "runs": [RUN | {"id": "run_1"}]},
    )

    for answer in (saved, committed):
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert "ses_1" not in answer.text
    assert (await service.ports.store.get_run("run_1")).session_id == "ses_1"


async def test_streams_show_a_tenant_its_own(
    service: Service, other: httpx.AsyncClient
) -> None:
    """
    The stream of all sessions, from the first event on, leaves out other tenants'.
    """
    store = service.ports.store
    async with open_stream(other, "/events/stream") as source:
        await store.append_event(make_event(id="evt_2"))
        await store.append_event(make_event(id="evt_3", session_id="ses_2"))
        (message,) = await source.take(1)

    assert (message.data["id"], message.data["session_id"]) == ("evt_3", "ses_2")


async def test_a_session_that_becomes_anothers_is_streamed_no_longer(
    service: Service, other: httpx.AsyncClient
) -> None:
    """
    An open stream gives nothing of a session that was moved to another tenant.
    """
    store = service.ports.store
    await store.append_event(make_event(id="evt_1", session_id="ses_2"))
    url = "/sessions/ses_2/events/stream?until_over=true"
    async with open_stream(other, url) as source:
        await source.take(1)
        moved = make_session(id="ses_2", tenant_id="theirs")
        await store.save_session(moved)
        await store.append_event(make_event(id="evt_2", session_id="ses_2"))
        await store.save_session(
            make_session(id="ses_2", tenant_id="theirs", status="completed")
        )
        rest = await source.take(9)

    assert [message.event for message in rest] == ["end"]


def test_a_router_needs_somebody_to_decide() -> None:
    """
    Without a callback that says for whom a request is, no router is built.
    """
    with pytest.raises(TypeError, match="authorize"):
        router()  # type: ignore[call-arg] # what must not be possible
    with pytest.raises(errors.ValidationError, match=r"^authorize: "):
        router(authorize=None)  # type: ignore[arg-type] # the same
