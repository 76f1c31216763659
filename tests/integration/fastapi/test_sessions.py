"""
Sessions over HTTP.
"""

from __future__ import annotations

from http import HTTPStatus

from asm_async import Session, SessionStatus
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_events,
    make_item,
    make_session,
)
from asm_async.values.json_values import encode_json
from asm_async.values.session_export import SessionExport
from tests.integration.fastapi.serving import Service, event_body

NOW = "2026-01-02T12:00:00Z"


def body_of(session: Session, **changes: object) -> dict[str, object]:
    """
    Return what PUT takes for a session.
    """
    return {**session.to_dict(), **changes}


async def test_a_session_is_begun_read_and_listed(memory_service: Service) -> None:
    """
    POST begins a session with an id of the server's, which GET gives and lists.
    """
    begun = await memory_service.client.post(
        "/sessions", json={"agent_id": "assistant", "tags": ["demo"]}
    )
    session = begun.json()

    assert begun.status_code == HTTPStatus.CREATED
    assert begun.headers["etag"] == '"1"'
    assert str(begun.url.join(begun.headers["location"])) == (
        f"{memory_service.url}/sessions/{session['id']}"
    )
    got = await memory_service.client.get(f"/sessions/{session['id']}")
    listed = await memory_service.client.get("/sessions", params={"tags": "demo"})
    assert got.json() == session
    assert listed.json()["items"] == [session]
    assert Session.from_dict(session).status is SessionStatus.PENDING


async def test_a_users_sessions_are_found(memory_service: Service) -> None:
    """
    A session is begun for a user, who narrows what is searched, counted and added up.
    """
    client = memory_service.client
    id_ = await memory_service.new_session(user_id="ann")
    await memory_service.new_session(user_id="bob")
    body = make_event(session_id=id_).to_dict()
    await client.post(f"/sessions/{id_}/events", json=body)

    found = await client.get("/sessions", params={"user_id": "ann"})
    events = await client.get("/events", params={"user_id": "ann"})
    counted = await client.get("/events/count", params={"user_id": "bob"})
    usage = await client.get("/usage", params={"user_id": "ann"})
    wrong = await client.get("/sessions", params={"user_id": ""})

    assert [item["user_id"] for item in found.json()["items"]] == ["ann"]
    assert [item["session_id"] for item in events.json()["items"]] == [id_]
    assert counted.json() == {"count": 0}
    assert usage.json()["run_count"] == 0
    assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_an_entity_tag_does_not_outlive_its_session(service: Service) -> None:
    """
    What was removed and saved again has another tag, a run of another session too.
    """
    client, run_body = service.client, {"status": "pending", "started_at": NOW}
    body = body_of(make_session())
    other = body_of(make_session(id="ses_2"))
    known: dict[str, str] = {}
    urls = "/sessions/ses_1", "/sessions/ses_1/runs/run_1"
    for url, content in zip(urls, (body, run_body), strict=True):
        known[url] = (await client.put(url, json=content)).headers["etag"]
    await client.delete("/sessions/ses_1", params={"hard": True})
    lost = await client.put(urls[0], json=body, headers={"If-Match": known[urls[0]]})
    assert lost.status_code == HTTPStatus.PRECONDITION_FAILED
    again = await client.put(urls[0], json=body)
    assert again.status_code == HTTPStatus.CREATED
    await client.put("/sessions/ses_2", json=other)
    moved = await client.put("/sessions/ses_2/runs/run_1", json=run_body)
    assert moved.status_code == HTTPStatus.CREATED

    for url, of_old in (
        (urls[0], known[urls[0]]),
        ("/sessions/ses_2/runs/run_1", known[urls[1]]),
    ):
        got = await client.get(url, headers={"If-None-Match": of_old})
        content = body if url == urls[0] else run_body
        put = await client.put(url, json=content, headers={"If-Match": of_old})
        assert (got.status_code, put.status_code) == (200, 412)
        replaced = await client.put(url, json=content)
        assert replaced.status_code == HTTPStatus.OK


async def test_every_json_value_comes_back(service: Service) -> None:
    """
    NUL, lone surrogates, huge integers and the order of keys survive the way and back.
    """
    data = {"z": "\0\ud800", "a": [10**400, 1e-300, -0.0, {"": None}], "b": 1.0}
    session = make_session(metadata=data)

    saved = await service.client.put(
        "/sessions/ses_1",
        content=encode_json(session.to_dict()),
        headers={"Content-Type": "application/json"},
    )

    assert saved.status_code == HTTPStatus.CREATED
    got = await service.client.get("/sessions/ses_1")
    stored = Session.from_dict(got.json())
    assert stored.has_same_content(session)
    assert list(stored.metadata) == ["z", "a", "b"]


async def test_an_entity_tag_is_the_revision_that_a_save_expects(
    service: Service,
) -> None:
    """
    If-Match lets one of two writers pass; the other learns the revision there is.
    """
    url, session = "/sessions/ses_1", make_session()
    first = await service.client.put(
        url, json=body_of(session), headers={"If-None-Match": "*"}
    )
    again = {"If-Match": first.headers["etag"]}

    won = await service.client.put(
        url, json=body_of(session, tags=["won"]), headers=again
    )
    lost = await service.client.put(
        url, json=body_of(session, tags=["lost"]), headers=again
    )
    created_twice = await service.client.put(
        url, json=body_of(session, tags=["new"]), headers={"If-None-Match": "*"}
    )

    assert (first.status_code, won.status_code) == (201, 200)
    assert won.headers["etag"] == '"2"'
    assert lost.status_code == HTTPStatus.PRECONDITION_FAILED
    assert (lost.headers["etag"], lost.json()["actual"]) == ('"2"', 2)
    assert lost.json()["code"] == "revision_conflict"
    assert created_twice.status_code == HTTPStatus.PRECONDITION_FAILED


async def test_a_known_session_is_not_sent_again(memory_service: Service) -> None:
    """
    GET answers 304 to who knows the entity tag, and soft deletion gives a new one.
    """
    client = memory_service.client
    session_id = await memory_service.new_session()
    url = f"/sessions/{session_id}"
    known = {"If-None-Match": '"7", W/"1"'}

    unchanged = await client.get(url, headers=known)
    await client.delete(url)
    changed = await client.get(url, headers=known)

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert changed.status_code == HTTPStatus.OK
    assert changed.json()["deleted_at"] is not None


async def test_a_session_is_soft_deleted_restored_and_removed(
    memory_service: Service,
) -> None:
    """
    DELETE hides a session, restoring undoes it, and a hard DELETE removes it for ever.
    """
    client = memory_service.client
    session_id = await memory_service.new_session()
    url = f"/sessions/{session_id}"

    assert (await client.delete(url)).status_code == HTTPStatus.NO_CONTENT
    assert (await client.get("/sessions")).json()["items"] == []
    refused = await client.put(url, json=body_of(make_session(id=session_id)))
    assert refused.status_code == HTTPStatus.CONFLICT
    assert refused.json()["code"] == "session_deleted"

    restored = await client.post(f"{url}/restore")
    assert restored.json()["deleted_at"] is None
    assert len((await client.get("/sessions")).json()["items"]) == 1

    hard = await client.delete(url, params={"hard": True})
    assert hard.status_code == HTTPStatus.NO_CONTENT
    assert (await client.get(url)).status_code == HTTPStatus.NOT_FOUND


async def test_links_lead_through_all_pages(memory_service: Service) -> None:
    """
    Following rel=next shows each session once, and the last page has no link.
    """
    ids = {await memory_service.new_session() for _ in range(7)}
    answer = await memory_service.client.get(
        "/sessions", params={"limit": 3, "agent_id": "assistant"}
    )
    seen = [item["id"] for item in answer.json()["items"]]
    while "next" in answer.links:
        answer = await memory_service.client.get(
            answer.url.join(answer.links["next"]["url"])
        )
        seen += [item["id"] for item in answer.json()["items"]]

    assert len(seen) == len(ids)
    assert set(seen) == ids


async def test_sessions_are_listed_by_their_last_activity(service: Service) -> None:
    """
    Page by page, and the entity tag of one that was only written to stays.
    """
    client = service.client
    ids = [await service.new_session() for _ in range(5)]
    before = await client.get(f"/sessions/{ids[1]}")
    await client.post(f"/sessions/{ids[1]}/events", json=event_body(make_event()))
    after = await client.get(f"/sessions/{ids[1]}")
    answer = await client.get(
        "/sessions", params={"order_by": "last_activity_desc", "limit": 2}
    )
    seen = [item["id"] for item in answer.json()["items"]]
    while "next" in answer.links:
        answer = await client.get(answer.url.join(answer.links["next"]["url"]))
        seen += [item["id"] for item in answer.json()["items"]]

    assert seen == [ids[number] for number in (1, 4, 3, 2, 0)]
    assert before.json()["last_activity_at"] < after.json()["last_activity_at"]
    assert before.headers["etag"] == after.headers["etag"] == '"1"'


async def test_what_the_url_says_cannot_be_said_otherwise(
    memory_service: Service,
) -> None:
    """
    An id in the body that is not the URL's is refused, and so is one to POST.
    """
    client = memory_service.client

    put = await client.put("/sessions/ses_2", json=body_of(make_session(id="ses_1")))
    post = await client.post("/sessions", json={"agent_id": "a", "id": "ses_1"})

    for answer in (put, post):
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert answer.json()["detail"].startswith("id: ")


async def test_stats_and_export_tell_all_of_a_session(memory_service: Service) -> None:
    """
    The figures of a session, and all that it has, can be had as JSON.
    """
    session_id = await memory_service.new_session()
    run = await memory_service.client.post(f"/sessions/{session_id}/runs", json={})
    artifact = make_artifact(session_id=session_id)
    registry = memory_service.ports.artifacts
    await registry.register(artifact)
    artifact = await registry.soft_delete(artifact.id)
    items = [
        make_item(key=f"{n:03}", content=bytes([n]), session_id=session_id)
        for n in range(120)
    ]
    await memory_service.ports.state.save_items([*items, make_item(key="of none")])

    stats = await memory_service.client.get(f"/sessions/{session_id}/stats")
    export = await memory_service.client.get(f"/sessions/{session_id}/export")

    assert stats.json()["status_counts"] == {"pending": 1}
    assert export.json()["runs"] == [run.json()]
    assert export.json()["artifacts"] == [artifact.to_dict()]
    assert SessionExport.from_dict(export.json()).artifacts == (artifact,)
    exported = await memory_service.ports.query.export_session(session_id)
    assert export.json()["items"] == [item.to_dict() for item in exported.items]
    assert len(exported.items) == 120
    assert export.json()["latest_sequence"] == 0


async def test_a_session_is_copied_up_to_a_number(service: Service) -> None:
    """
    The copy is a session of its own; the same operation makes it once.
    """
    client, session_id = service.client, await service.new_session()
    events = [event_body(event) for event in make_events(3)]
    await client.post(f"/sessions/{session_id}/events/batch", json={"events": events})
    session = make_session(id="Gr\u00f6\u00dfe 2").to_dict()
    body = {"session": session, "through": 2, "operation_id": "op"}
    url = f"/sessions/{session_id}/copies"

    made, again = await client.post(url, json=body), await client.post(url, json=body)
    taken = await client.post(url, json={"session": session})
    beyond = await client.post(
        url, json={"session": session | {"id": "x"}, "through": 9}
    )
    wrong = await client.post(url, json={"through": 1})
    unknown = await client.post(
        "/sessions/none/copies", json={"session": session | {"id": "y"}}
    )
    copied = await client.get(made.url.join(made.headers["location"]))
    listed = await client.get(f"{copied.url}/events")

    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.json() == again.json() == copied.json()
    assert copied.json()["parent_session_id"] == session_id
    assert [item["sequence_number"] for item in listed.json()["items"]] == [1, 2]
    statuses = [each.status_code for each in (taken, beyond, wrong, unknown)]
    assert statuses == [409, 409, 422, 404]
