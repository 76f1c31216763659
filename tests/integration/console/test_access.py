"""
Whose sessions exist for a request, what browsers are told, and who may write.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from asm_async import errors
from asm_async.console import mount
from asm_async.console.mount import console_router
from asm_async.console.policy import CONTENT_POLICY
from asm_async.console.static_files import PageFiles
from asm_async.integrations.fastapi import Limits
from asm_async.testing.factories import make_event, make_run, make_session
from tests.integration.console.serving import MARKED, PATH, Console
from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.serving import authorize

SECRET = "hush"  # noqa: S105 - what the other tenant must not see
OWN = "own"

# What each route that takes more than a session is asked with; one that is missing here
# and needs more fails.
PARAMETERS: dict[str, dict[str, Any]] = {
    "/api/run": {"run_id": "run_1"},
    "/api/event": {"sequence": 1},
    "/api/find": {"q": SECRET},
    "/api/texts": {"q": SECRET},
    "/api/locate": {"run_id": "run_1"},
}
BODIES: dict[str, dict[str, Any]] = {
    "/api/session/rename": {"title": "mine now"},
    "/api/session/tags": {"add": ["mine"]},
    "/api/session/delete": {},
    "/api/session/restore": {},
}
# They answer about all sessions, or those that are named.
OF_MANY = [
    "/",
    "/api/about",
    "/api/sessions",
    "/api/texts",
    "/api/rows",
    "/api/usage",
    "/api/latency",
]


def routes() -> Iterator[tuple[str, str]]:
    """
    Yield method and path of every route there is.
    """
    made = console_router(
        PageFiles(),
        authorize=authorize,
        read_only=False,
        price_lookup=None,
        limits=Limits(),
    )
    for route in made.routes:
        assert isinstance(route, APIRoute)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path


ROUTES = sorted(routes())
STREAMED = "/api/stream/sessions"
OF_ONE_SESSION = [route for route in ROUTES if route[1] not in {*OF_MANY, STREAMED}]


def request_of(path: str) -> dict[str, Any]:
    """
    Return what a request about the session ``ses_1`` needs.
    """
    given: dict[str, Any] = {
        "params": {"session_id": "ses_1", **PARAMETERS.get(path, {})}
    }
    if path in BODIES:
        given |= {"json": BODIES[path], "headers": MARKED}
    return given


def is_deletion(route: tuple[str, str]) -> bool:
    """
    Return whether a route deletes, after which the others may not write any more.
    """
    return route[1].endswith("/delete")


@pytest.fixture
async def other(writable_console: Console) -> AsyncGenerator[httpx.AsyncClient]:
    """
    Store a session with all it can have for one tenant, and yield another's client.
    """
    store = writable_console.ports.store
    for id_, tenant_id in (("ses_1", "theirs"), ("ses_2", OWN)):
        metadata = {"title": SECRET} if tenant_id == "theirs" else {}
        session = make_session(
            id=id_, tenant_id=tenant_id, metadata=metadata, parent_session_id="ses_1"
        )
        await store.save_session(session)
    await store.save_run(make_run(provider=SECRET, token_usage={"total_tokens": 7}))
    await store.append_event(make_event(data={"content": SECRET}, run_id="run_1"))
    if (texts := writable_console.ports.text_search) is not None:
        await texts.update()
    async with writable_console.of_tenant(OWN) as client:
        yield client


async def test_nobody_is_let_in_to_any_route(memory_console: Console) -> None:
    """
    Every route asks who it is before anything else; only the page's files are open.
    """
    async with httpx.AsyncClient(base_url=memory_console.url) as nobody:
        for method, path in ROUTES:
            answer = await nobody.request(method, f"{PATH}{path}", content=b"{" * 10)

            assert answer.status_code == HTTPStatus.UNAUTHORIZED, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), OF_ONE_SESSION, ids=str)
async def test_another_tenants_session_is_not_found_by_any_route(
    writable_console: Console, other: httpx.AsyncClient, method: str, path: str
) -> None:
    """
    Another tenant's session is 404, as if it had never been, and stays as it is.
    """
    answer = await other.request(method, path.removeprefix("/"), **request_of(path))

    assert answer.status_code == HTTPStatus.NOT_FOUND, answer.text
    assert answer.json()["code"] in {"session_not_found", "run_not_found"}
    assert SECRET not in answer.text
    session = await writable_console.ports.store.get_session("ses_1")
    assert (session.revision, session.deleted_at) == (1, None)


async def test_what_is_asked_for_is_there_for_its_own_tenant(
    writable_console: Console, other: httpx.AsyncClient
) -> None:
    """
    The same requests succeed for the tenant whose session it is: they ask for it.
    """
    del other
    async with writable_console.of_tenant("theirs") as owner:
        for method, path in sorted(OF_ONE_SESSION, key=is_deletion):
            url = path.removeprefix("/")
            if path == "/api/stream":
                async with owner.stream(method, url, **request_of(path)) as answer:
                    assert answer.status_code == HTTPStatus.OK
                continue
            answer = await owner.request(method, url, **request_of(path))
            assert answer.status_code == HTTPStatus.OK, answer.text


async def test_lists_and_sums_show_nothing_of_another_tenant(
    other: httpx.AsyncClient,
) -> None:
    """
    No list, sum or search shows what is another tenant's, nor counts it.
    """
    parameters: list[tuple[str, dict[str, Any]]] = [
        ("api/about", {}),
        ("api/sessions", {"count": True}),
        ("api/sessions", {"q": SECRET}),
        ("api/texts", {"q": SECRET}),
        ("api/sessions", {"parent_session_id": "ses_1"}),
        ("api/rows", {"session_id": ["ses_1", "ses_2"]}),
        ("api/tree", {"session_id": "ses_2"}),
        ("api/usage", {"group_by": "provider"}),
        ("api/latency", {"group_by": "provider"}),
    ]
    for path, given in parameters:
        answer = await other.get(path, params=given)

        assert answer.status_code == HTTPStatus.OK, (path, answer.text)
        assert SECRET not in answer.text.replace(f"q={SECRET}", ""), path
        assert "theirs" not in answer.text
    sessions = (await other.get("api/sessions", params={"count": True})).json()
    assert [row["id"] for row in sessions["items"]] == ["ses_2"]
    assert sessions["total"] == 1
    tree = (await other.get("api/tree", params={"session_id": "ses_2"})).json()
    assert tree["root"]["id"] == "ses_2"


@pytest.mark.parametrize(
    "path", ["api/sessions", "api/usage", "api/latency", STREAMED[1:]]
)
async def test_a_tenant_asks_for_no_other_one(
    other: httpx.AsyncClient, path: str
) -> None:
    """
    A tenant that names another one is told that there is none.
    """
    answer = await other.get(path, params={"tenant_id": "theirs"})

    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.json()["code"] == "not_found"


async def test_a_stream_of_the_list_shows_nothing_of_another_tenant(
    writable_console: Console, other: httpx.AsyncClient
) -> None:
    """
    The stream of the list tells a tenant of its own sessions alone.
    """
    store = writable_console.ports.store
    async with open_stream(other, "api/stream/sessions") as stream:
        first = await stream.next()
        await store.append_event(make_event(id="evt_a", session_id="ses_1"))
        await store.append_event(make_event(id="evt_b", session_id="ses_2"))
        second = await stream.next()

    shown = [
        [row["id"] for row in each.data["items"]] for each in (first, second) if each
    ]
    assert shown == [["ses_2"], ["ses_2"]]


async def test_every_answer_forbids_what_the_page_does_not_need(
    memory_console: Console,
) -> None:
    """
    All answers have the policy, those of errors, refusals and unknown paths as well.
    """
    await memory_console.ports.store.save_session(make_session())
    asked = [(method, path, request_of(path)) for method, path in ROUTES]
    asked += [
        ("GET", "/nowhere", {}),
        ("GET", "/static/nowhere.js", {}),
        ("DELETE", "/api/session", {}),
        ("GET", "/api/sessions", {"params": {"limit": -1}}),
        ("GET", "/api/sessions", {"headers": {"X-Tenant": ""}}),
    ]
    for method, path, given in asked:
        async with memory_console.client.stream(
            method, f"{PATH}{path}", **given
        ) as answer:
            headers = answer.headers

        policy = headers["content-security-policy"]
        if path == "/api/export":
            assert policy.startswith("sandbox; default-src 'none';")
        else:
            assert policy == CONTENT_POLICY, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] in {"no-store", "no-cache"}
    assert "default-src 'none'" in CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY


@pytest.mark.parametrize("path", sorted(BODIES))
async def test_a_console_that_only_reads_refuses_to_write(
    memory_console: Console, path: str
) -> None:
    """
    Unless it was told otherwise, no request changes anything.
    """
    await memory_console.ports.store.save_session(make_session())

    answer = await memory_console.client.post(f"{PATH}{path}", **request_of(path))

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert answer.json()["code"] == "read_only"
    session = await memory_console.ports.store.get_session("ses_1")
    assert (session.revision, session.deleted_at) == (1, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-ASM-Console": "0"},
        {**MARKED, "Origin": "https://elsewhere.example"},
        {**MARKED, "Origin": "null"},
        {**MARKED, "Sec-Fetch-Site": "cross-site"},
        {**MARKED, "Sec-Fetch-Site": "same-site"},
    ],
    ids=["no mark", "another origin", "no origin", "cross-site", "same-site"],
)
async def test_another_sites_page_cannot_write(
    writable_console: Console, headers: dict[str, str]
) -> None:
    """
    A write without the page's mark, or that a browser says comes from elsewhere, fails.
    """
    await writable_console.ports.store.save_session(make_session())

    answer = await writable_console.client.post(
        f"{PATH}/api/session/delete",
        params={"session_id": "ses_1"},
        json={},
        headers=headers,
    )

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert answer.json()["code"] == "cross_site"
    assert (await writable_console.ports.store.get_session("ses_1")).deleted_at is None


@pytest.mark.parametrize("path", ["", "/", "console", "/console/"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    """
    Where the console is to be begins with a slash and does not end with one.
    """
    with pytest.raises(errors.ValidationError, match=r"^path: "):
        mount(FastAPI(), path, authorize=authorize)


def test_a_console_without_authorization_cannot_be_made() -> None:
    """
    To let everybody in has to be said.
    """
    wrong: Any = None
    with pytest.raises(errors.ValidationError, match=r"^authorize: "):
        mount(FastAPI(), authorize=wrong)


async def test_the_applications_overrides_hold_in_the_console(
    memory_console: Console,
) -> None:
    """
    A dependency that the application's tests override is overridden in the console.
    """

    async def nobody() -> str:
        return OWN

    await memory_console.ports.store.save_session(make_session(tenant_id="theirs"))
    memory_console.app.dependency_overrides[authorize] = nobody

    assert (await memory_console.get("sessions"))["items"] == []
