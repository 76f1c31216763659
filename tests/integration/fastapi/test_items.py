"""
State items over HTTP: those that go with a session, and nobody else's.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from asm_async.integrations.fastapi import Limits
from asm_async.testing.factories import make_item, make_session
from asm_async.values.state_item import MAX_KEY_BYTES, MAX_KEY_LENGTH
from tests.integration.fastapi.serving import Service, open_service

ITEM = "/sessions/ses_1/state/item"
# All that a key may hold, and what a URL would take for its own.
KEYS = [
    "a/b",
    "../x",
    "%00",
    "?&=#;+ ",
    "\u0001\r\n",
    "\U0001f600\uffff",
    ".",
    "k" * 1_024,
]


def named(key: str, scope: str = "ses_1") -> dict[str, str]:
    """
    Return the parameters that name an item.
    """
    return {"scope": scope, "key": key}


@pytest.mark.parametrize("key", KEYS, ids=ascii)
async def test_an_item_is_saved_read_and_removed(service: Service, key: str) -> None:
    """
    Under any key; what was answered may be sent back as it is.
    """
    client, state = service.client, service.ports.state
    await service.ports.store.save_session(make_session())
    body = {"data": {"n": [1, None]}, "content": "AP8="}

    new = await client.put(ITEM, params=named(key), json=body)
    read = await client.get(ITEM, params=named(key))
    again = await client.put(ITEM, params=named(key), json=read.json())

    assert (new.status_code, read.status_code, again.status_code) == (201, 200, 200)
    assert read.json() == new.json()
    (stored,) = await state.list_items("ses_1")
    assert again.json() == stored.to_dict()
    assert again.headers["ETag"] == f'"{stored.revision}"'
    assert (stored.key, stored.data, stored.content) == (key, body["data"], b"\0\xff")
    assert stored.session_id == "ses_1"
    known = {"If-None-Match": again.headers["ETag"]}
    unchanged = await client.get(ITEM, params=named(key), headers=known)
    assert unchanged.status_code == HTTPStatus.NOT_MODIFIED
    gone = [await client.delete(ITEM, params=named(key)) for _ in range(2)]
    assert [answer.status_code for answer in gone] == [204, 404]
    assert await state.list_items("ses_1") == []


async def test_a_write_is_made_if_what_was_seen_still_holds(service: Service) -> None:
    """
    Otherwise it is answered with 412 and the entity tag of what is stored.
    """
    client = service.client
    await service.ports.store.save_session(make_session())
    new = await client.put(
        ITEM, params=named("k"), json={"data": 1}, headers={"If-None-Match": "*"}
    )
    seen = {"If-Match": new.headers["ETag"]}
    second = await client.put(ITEM, params=named("k"), json={"data": 2}, headers=seen)
    late = [
        await client.put(ITEM, params=named("k"), json={"data": 3}, headers=seen),
        await client.put(
            ITEM, params=named("k"), json={"data": 3}, headers={"If-None-Match": "*"}
        ),
        await client.delete(ITEM, params=named("k"), headers=seen),
    ]

    assert (new.status_code, second.status_code) == (201, 200)
    for answer in late:
        assert answer.status_code == HTTPStatus.PRECONDITION_FAILED
        assert answer.headers["ETag"] == second.headers["ETag"]
        assert answer.json()["code"] == "revision_conflict"
    assert (await client.get(ITEM, params=named("k"))).json() == second.json()
    seen = {"If-Match": second.headers["ETag"]}
    gone = await client.delete(ITEM, params=named("k"), headers=seen)
    assert gone.status_code == HTTPStatus.NO_CONTENT


async def test_items_are_listed_page_by_page(service: Service) -> None:
    """
    By scope and key, narrowed by both, without their contents.
    """
    await service.ports.store.save_session(make_session())
    names = [
        (scope, f"{kind}/{n}") for scope in "ab" for kind in "xy" for n in range(3)
    ]
    stored = await service.ports.state.save_items(
        [
            make_item(scope=scope, key=key, content=b"!", session_id="ses_1")
            for scope, key in names
        ]
    )
    await service.ports.state.save_items([make_item(scope="a", key="of none")])
    for query, expected in (
        ({}, names),
        ({"scope": "b"}, names[6:]),
        ({"scope": "a", "prefix": "y"}, names[3:6]),
        ({"prefix": "x/1"}, [names[1], names[7]]),
        ({"scope": "none"}, []),
    ):
        found: list[dict[str, Any]] = []
        parameters: dict[str, Any] = {**query, "limit": 2}
        while True:
            page = await service.client.get("/sessions/ses_1/state", params=parameters)
            assert page.status_code == HTTPStatus.OK
            found += page.json()["items"]
            if (cursor := page.json()["cursor"]) is None:
                break
            assert "next" in page.links
            parameters["cursor"] = cursor
        assert [(item["scope"], item["key"]) for item in found] == expected
        assert {item["content"] for item in found} <= {None}
    assert len(stored) == len(names)
    for wrong in ({"cursor": "?"}, {"cursor": "WzFd"}, {"scope": ""}, {"limit": -1}):
        answer = await service.client.get("/sessions/ses_1/state", params=wrong)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize("character", ["\x01", "\U0001f600"])
async def test_a_page_begins_behind_the_longest_key(
    service: Service, character: str
) -> None:
    """
    Whatever it takes in the JSON that a cursor is made of.
    """
    await service.ports.store.save_session(make_session())
    key = character * min(MAX_KEY_LENGTH, MAX_KEY_BYTES // len(character.encode()))
    names = [(character * 255, key), ("\U0010ffff", "last")]
    await service.ports.state.save_items(
        [make_item(scope=scope, key=key, session_id="ses_1") for scope, key in names]
    )
    one = {"limit": 1}
    first = (await service.client.get("/sessions/ses_1/state", params=one)).json()
    again = {"limit": 1, "cursor": first["cursor"]}
    second = (await service.client.get("/sessions/ses_1/state", params=again)).json()

    found = [*first["items"], *second["items"]]
    assert [(item["scope"], item["key"]) for item in found] == names
    assert second["cursor"] is None


async def test_no_item_of_another_is_shown_replaced_or_removed(
    service: Service,
) -> None:
    """
    Another session's, nobody's, and what the library keeps: whoever asks.
    """
    store, state = service.ports.store, service.ports.state
    for id_ in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=id_, tenant_id="own"))
    stored = await state.save_items(
        [
            make_item(scope="s", key="theirs", session_id="ses_2"),
            make_item(scope="s", key="nobody's"),
            make_item(scope="asm.runs/x", key="lease", session_id="ses_1"),
        ]
    )
    async with service.client_of("own") as own:
        for client in (own, service.client):
            for item in stored:
                place = named(item.key, item.scope)
                read = await client.get(ITEM, params=place)
                removed = await client.delete(ITEM, params=place)
                seen = {"If-Match": f'"{item.revision}"'}
                puts = [
                    await client.put(
                        ITEM, params=place, json={"data": 1}, headers=headers
                    )
                    for headers in ({}, seen, {"If-None-Match": "*"})
                ]
                assert (read.status_code, removed.status_code) == (404, 404)
                refused = 422 if item.scope.startswith("asm.") else 409
                assert [answer.status_code for answer in puts] == [refused] * 3
            page = await client.get("/sessions/ses_1/state")
            assert page.json()["items"] == []
    for item in stored:
        assert (await state.get_items(item.scope, [item.key]))[item.key] == item


async def test_bodies_are_bounded_and_checked() -> None:
    """
    One that is too long is refused unread, and a wrong member by its name.
    """
    async with open_service(None, Limits(max_body_bytes=1_000)) as service:
        await service.ports.store.save_session(make_session())
        for body, status in (
            ({"content": "A" * 1_000}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
            ({"content": "!"}, HTTPStatus.UNPROCESSABLE_ENTITY),
            ({"content": 1}, HTTPStatus.UNPROCESSABLE_ENTITY),
            ({"key": "other"}, HTTPStatus.UNPROCESSABLE_ENTITY),
            ({"other": 1}, HTTPStatus.UNPROCESSABLE_ENTITY),
        ):
            answer = await service.client.put(ITEM, params=named("k"), json=body)
            assert answer.status_code == status
        unnamed = await service.client.put(ITEM, params={"key": "k"}, json={})
        long = await service.client.put(ITEM, params=named("k" * 1_025), json={})
        assert (unnamed.status_code, long.status_code) == (422, 422)
        missing = await service.client.get("/sessions/ses_2/state")
        assert missing.status_code == HTTPStatus.NOT_FOUND
