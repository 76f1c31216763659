"""
The search for text over HTTP.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.integrations.fastapi import Limits, ports_lifespan
from asm_async.ports.text_search import TextSearch
from asm_async.testing.factories import NOON, make_event, make_session
from tests.integration.fastapi.serving import (
    EVERYBODY,
    Service,
    application,
    open_service,
    served,
)


async def fill(service: Service) -> TextSearch:
    """
    Store what two tenants have said, and index it.
    """
    store, search = service.ports.store, service.ports.text_search
    assert search is not None
    for number, tenant_id in enumerate(("own", "theirs"), start=1):
        session_id = f"ses_{number}"
        metadata = {"title": f"Luggage of {tenant_id}"}
        session = make_session(id=session_id, tenant_id=tenant_id, metadata=metadata)
        await store.save_session(session)
        await store.append_events(
            [
                make_event(
                    id=f"evt_{count}",
                    session_id=session_id,
                    timestamp=NOON + timedelta(seconds=count),
                    data={"content": f"lost luggage {count} \udfff"},
                )
                for count in range(1, 6)
            ]
        )
    await search.update()
    return search


async def test_a_match_is_answered_with_all_it_has(memory_service: Service) -> None:
    """
    Session, event, snippet, marks and rank, as the port returns them.
    """
    search = await fill(memory_service)
    [match] = await search.search_text('"luggage 3"', tenant_id="own")
    async with memory_service.client_of("own") as client:
        answer = await client.get("/texts", params={"query": '"luggage 3"'})

    assert answer.status_code == HTTPStatus.OK
    assert match.event is not None
    assert answer.json() == {
        "items": [
            {
                "session": match.session.to_dict(),
                "event": match.event.to_dict(),
                "snippet": {
                    "text": "lost luggage 3 \udfff",
                    "marks": [[5, 12], [13, 14]],
                },
                "rank": match.rank,
            }
        ],
        "cursor": None,
        "total_count": None,
    }


async def test_filters_and_orders_are_parameters(memory_service: Service) -> None:
    """
    They are those of the port, and a title has no event.
    """
    await fill(memory_service)
    queries: list[tuple[dict[str, Any], list[int]]] = [
        ({"order_by": "time"}, [5, 4, 3, 2, 1, 0]),
        ({"order_by": "time", "types": ["message_received"]}, [5, 4, 3, 2, 1]),
        ({"order_by": "time", "roles": ["user", "assistant"]}, [5, 4, 3, 2, 1]),
        ({"roles": ["user"]}, []),
        ({"since": "2026-01-02T12:00:05Z"}, [5]),
        ({"session_id": "ses_2"}, []),
        ({"agent_id": "another"}, []),
        ({"user_id": "kim"}, []),
        ({"limit": 0}, []),
    ]
    async with memory_service.client_of("own") as client:
        for params, numbers in queries:
            answer = await client.get("/texts", params={"query": "luggage", **params})
            found = [each["event"] for each in answer.json()["items"]]
            assert [each["sequence_number"] if each else 0 for each in found] == numbers


async def test_pages_follow_each_other_by_links(memory_service: Service) -> None:
    """
    Each match comes once, however short the pages are.
    """
    await fill(memory_service)
    texts: list[str] = []
    async with memory_service.client_of("own") as client:
        url = "/texts?query=luggage&limit=2"
        for _ in range(3):
            answer = await client.get(url)
            texts += [each["snippet"]["text"] for each in answer.json()["items"]]
            url = f"/texts{answer.links['next']['url']}" if answer.links else ""

    assert not url
    assert len(texts) == len(set(texts)) == 6


async def test_a_tenant_finds_its_own_alone(memory_service: Service) -> None:
    """
    Another's texts are not found, its name as a filter neither; an operator finds all.
    """
    await fill(memory_service)
    async with memory_service.client_of("theirs") as client:
        own = await client.get("/texts", params={"query": "luggage"})
        foreign = await client.get(
            "/texts", params={"query": "luggage", "tenant_id": "own"}
        )
        everybody = await client.get(
            "/texts", params={"query": "luggage"}, headers=EVERYBODY
        )

    assert {each["session"]["id"] for each in own.json()["items"]} == {"ses_2"}
    assert foreign.status_code == HTTPStatus.NOT_FOUND
    assert len(everybody.json()["items"]) == 12


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query": "x" * 4_097},
        {"query": " ".join(f"w{number}" for number in range(129))},
        {"query": "x", "order_by": "rank"},
        {"query": "x", "roles": "king"},
        {"query": "x", "limit": 201},
        {"query": "x", "cursor": "?"},
        {"query": "x", "types": "nothing"},
    ],
)
async def test_what_is_wrong_is_a_problem(
    memory_service: Service, params: dict[str, str]
) -> None:
    """
    It is answered with 422 and the parameter's name.
    """
    async with memory_service.client_of("own") as client:
        answer = await client.get("/texts", params=params)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith((*params, "query"))


async def test_a_page_is_bounded_in_bytes() -> None:
    """
    It ends early where events are long, with a link to the next.
    """
    async with open_service(None, limits=Limits(max_page_bytes=1_000)) as service:
        store, search = service.ports.store, service.ports.text_search
        assert search is not None
        await store.save_session(make_session(tenant_id="own"))
        long = {"content": "luggage " * 1_000}
        await store.append_events(
            [make_event(id=f"evt_{number}", data=long) for number in range(20)]
        )
        await search.update()
        async with service.client_of("own") as client:
            answer = await client.get("/texts", params={"query": "luggage"})

    assert 1 <= len(answer.json()["items"]) < 20
    assert answer.links["next"]


async def test_without_an_index_there_is_nothing_to_search() -> None:
    """
    The route says so: 501.
    """
    whole = InMemoryPorts()
    ports = Ports(
        store=whole.store,
        state=whole.state,
        query=whole.query,
        maintenance=whole.maintenance,
        feed=whole.feed,
        artifacts=whole.artifacts,
    )
    async with (
        served(application(ports_lifespan(ports))) as url,
        httpx.AsyncClient(base_url=url, headers=EVERYBODY) as client,
    ):
        answer = await client.get("/texts", params={"query": "x"})

    assert answer.status_code == HTTPStatus.NOT_IMPLEMENTED
    assert answer.json()["code"] == "unsupported_operation"
