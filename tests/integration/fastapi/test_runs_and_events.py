"""
Runs and events over HTTP.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx

from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
    session_of,
)
from tests.integration.fastapi.serving import Service, event_body


async def test_a_run_is_begun_saved_and_read(memory_service: Service) -> None:
    """
    A run is begun by POST, saved under its entity tag by PUT, and listed.
    """
    client = memory_service.client
    session_id = await memory_service.new_session()
    url = f"/sessions/{session_id}/runs"
    begun = await client.post(url, json={"input": "6 times 7?", "provider": "example"})
    run = begun.json()

    over = {**run, "status": "completed", "output": "42"}
    tag = {"If-Match": begun.headers["etag"]}
    saved = await client.put(f"{url}/{run['id']}", json=over, headers=tag)
    stale = await client.put(
        f"{url}/{run['id']}", json={**over, "output": 41}, headers=tag
    )
    back = await client.put(f"{url}/{run['id']}", json={**over, "status": "running"})

    assert begun.status_code == HTTPStatus.CREATED
    assert str(begun.url.join(begun.headers["location"])).endswith(run["id"])
    assert (saved.status_code, saved.json()["revision"]) == (200, 2)
    assert stale.status_code == HTTPStatus.PRECONDITION_FAILED
    assert back.json()["code"] == "invalid_transition"
    assert (await client.get(url)).json()["items"] == [saved.json()]
    assert (await client.get("/runs")).json()["items"] == [saved.json()]
    assert (await client.get(f"{url}/{run['id']}")).json() == saved.json()


async def test_a_run_is_not_found_in_another_session(memory_service: Service) -> None:
    """
    A run exists below its own session only, and its id cannot be used for another.
    """
    client = memory_service.client
    owner, other = (
        await memory_service.new_session(),
        await memory_service.new_session(),
    )
    run = make_run().to_dict() | {"session_id": owner}
    await client.put(f"/sessions/{owner}/runs/run_1", json=run)

    elsewhere = await client.get(f"/sessions/{other}/runs/run_1")
    taken = await client.put(
        f"/sessions/{other}/runs/run_1", json=run | {"session_id": other}
    )

    assert elsewhere.status_code == HTTPStatus.NOT_FOUND
    assert taken.status_code == HTTPStatus.CONFLICT


async def test_an_event_is_posted_once_however_often_it_is_sent(
    service: Service,
) -> None:
    """
    The first POST gives 201, the same again 200 and the same event, another 409.
    """
    session_id = await service.new_session()
    url = f"/sessions/{session_id}/events"
    body = event_body(make_event())

    first = await service.client.post(url, json=body)
    again = await service.client.post(url, json=body)
    other = await service.client.post(url, json=body | {"data": {"content": "bye"}})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["sequence_number"] == 1
    assert other.status_code == HTTPStatus.CONFLICT
    assert other.json()["code"] == "event_conflict"


async def test_an_append_can_expect_the_latest_number(service: Service) -> None:
    """
    The entity tag of the events is the number that If-Match holds an append to.
    """
    session_id = await service.new_session()
    url = f"/sessions/{session_id}/events"
    first, second, third = (event_body(event) for event in make_events(3))
    empty = (await service.client.get(url)).headers["etag"]

    won = await service.client.post(url, json=first, headers={"If-Match": empty})
    lost = await service.client.post(url, json=second, headers={"If-Match": empty})
    repeated = await service.client.post(url, json=first, headers={"If-Match": empty})
    nothing = await service.client.post(url, json=third, headers={"If-None-Match": "*"})

    assert won.status_code == HTTPStatus.CREATED
    assert lost.status_code == HTTPStatus.PRECONDITION_FAILED
    assert (lost.json()["code"], lost.json()["actual"]) == ("sequence_conflict", 1)
    assert repeated.status_code == HTTPStatus.OK
    assert nothing.status_code == HTTPStatus.PRECONDITION_FAILED
    assert won.headers["etag"] == lost.headers["etag"] == '"1"'


async def test_a_batch_is_appended_whole_or_not_at_all(memory_service: Service) -> None:
    """
    A batch has one block of numbers; one bad event keeps all of it out.
    """
    session_id = await memory_service.new_session()
    url = f"/sessions/{session_id}/events/batch"
    events = [event_body(event) for event in make_events(5)]

    bad = await memory_service.client.post(
        url, json={"events": [*events, {"id": "evt_6"}]}
    )
    good = await memory_service.client.post(url, json={"events": events})
    again = await memory_service.client.post(url, json={"events": events})

    assert bad.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert (good.status_code, again.status_code) == (201, 200)
    numbers = [item["sequence_number"] for item in good.json()["items"]]
    assert numbers == [1, 2, 3, 4, 5]
    assert good.headers["etag"] == '"5"'


async def test_links_lead_through_all_events(memory_service: Service) -> None:
    """
    Following rel=next gives each event of a session once, in order.
    """
    session_id = await memory_service.new_session()
    events = [event_body(event) for event in make_events(7)]
    url = f"/sessions/{session_id}/events"
    await memory_service.client.post(f"{url}/batch", json={"events": events})

    answer = await memory_service.client.get(url, params={"limit": 3})
    numbers = [item["sequence_number"] for item in answer.json()["items"]]
    while "next" in answer.links:
        answer = await memory_service.client.get(
            answer.url.join(answer.links["next"]["url"])
        )
        numbers += [item["sequence_number"] for item in answer.json()["items"]]

    assert numbers == list(range(1, 8))


async def test_events_are_retracted_once_and_left_out_of_what_is_visible(
    service: Service,
) -> None:
    """
    The answer has the retraction and the replacement; repeated, it is given with 200.
    """
    session_id = await service.new_session()
    url = f"/sessions/{session_id}/events"
    events = [event_body(event) for event in make_events(5)]
    await service.client.post(f"{url}/batch", json={"events": events})
    replacement = [event_body(make_event(id="evt_6"))]
    body = {"first": 2, "last": 4, "replacement": replacement, "operation_id": "op"}

    async def retract(tag: str | None = None, **changes: object) -> httpx.Response:
        return await service.client.post(
            f"/sessions/{session_id}/retractions",
            json=body | changes,
            headers={} if tag is None else {"If-Match": tag},
        )

    late = await retract('"4"')
    first, again = await retract('"5"'), await retract('"5"')
    listed = await service.client.get(url)
    visible = await service.client.get(url, params={"visible_only": True, "limit": 2})
    rest = await service.client.get(
        visible.url.join(visible.links["next"]["url"]),
    )
    forged = await service.client.post(
        url, json=first.json()["items"][0] | {"id": "evt_9", "sequence_number": 0}
    )

    assert (late.status_code, first.status_code, again.status_code) == (412, 201, 200)
    assert first.json() == again.json()
    told, new = first.json()["items"]
    assert told["data"] == {"first": 2, "last": 4, "hidden": [[2, 4]]}
    assert (told["id"], new["id"], first.headers["etag"]) == ("op", "evt_6", '"7"')
    assert len(listed.json()["items"]) == 7
    numbers = [
        item["sequence_number"]
        for answer in (visible, rest)
        for item in answer.json()["items"]
    ]
    assert numbers == [1, 5, 7]
    assert forged.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "retract_events" in forged.json()["detail"]
    refused: list[tuple[dict[str, Any], int]] = [
        ({"last": 1}, 422),
        ({"last": 99, "operation_id": None}, 409),
        ({"replacement": [{"id": "x"}]}, 422),
        ({"operation_id": "evt_1"}, 409),
        ({"unknown": 1}, 422),
    ]
    for changes, status in refused:
        assert (await retract(**changes)).status_code == status, changes


async def test_a_commit_stores_session_runs_and_events(service: Service) -> None:
    """
    A commit stores everything at once, and repeating it changes nothing.
    """
    result = make_execution_result()
    body = {
        "session": session_of(result).to_dict(),
        "runs": [run_of(result).to_dict()],
        "events": [event_body(event) for event in result.events],
    }
    url, expected = "/sessions/ses_1/commit", {"If-Match": '"0"'}

    first = await service.client.post(url, json=body, headers=expected)
    again = await service.client.post(url, json=body, headers=expected)
    late = await service.client.post(url, json=body | {"events": []}, headers=expected)

    assert first.status_code == HTTPStatus.OK
    assert [event["sequence_number"] for event in first.json()["events"]] == [1, 2]
    assert again.json() == first.json()
    assert late.status_code == HTTPStatus.PRECONDITION_FAILED


async def test_a_commit_says_what_it_expects_of_runs(service: Service) -> None:
    """
    It is done once under its operation's id, and by one of several with the same runs.
    """
    session_id = await service.new_session()
    url = f"/sessions/{session_id}/commit"
    run = make_run(session_id=session_id).to_dict()
    session = make_session(id=session_id).to_dict()
    body: dict[str, Any] = {
        "create_session": session,
        "runs": [run],
        "expected_revisions": {"run_1": 0},
    }
    first, again, other = [
        await service.client.post(url, json=body | {"operation_id": name})
        for name in ("op_1", "op_1", "op_2")
    ]
    assert first.status_code == HTTPStatus.OK
    assert again.json() == first.json()
    assert first.json()["session"] is None
    assert first.json()["runs"][0]["revision"] == 1
    assert other.status_code == HTTPStatus.CONFLICT
    assert other.json()["code"] == "revision_conflict"
    nothing = await service.client.post(url, json={})
    assert nothing.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_searches_and_sums_answer_over_all_sessions(service: Service) -> None:
    """
    Events are found and counted, and usage and cost added up, over all sessions.
    """
    client = service.client
    for number in range(2):
        session_id = await service.new_session()
        await client.post(
            f"/sessions/{session_id}/events",
            json=event_body(make_event(id=f"evt_{number}", correlation_id="trace_1")),
        )
        run = {"token_usage": {"input_tokens": 3, "output_tokens": 4}, "cost_usd": 0.5}
        await client.post(
            f"/sessions/{session_id}/runs", json={"provider": "example", **run}
        )
    by_trace = {"correlation_id": "trace_1"}

    found = await client.get("/events", params=by_trace)
    count = await client.get("/events/count", params=by_trace)
    usage = await client.get("/usage", params={"bucket": "month"})
    cost = await client.get("/cost", params={"provider": "example"})
    grouped = await client.get("/usage?bucket=day&group_by=provider&group_by=model")
    costs = await client.get("/cost?group_by=session")

    assert len(found.json()["items"]) == count.json()["count"] == 2
    assert usage.json()["total_tokens"] == 14
    assert list(usage.json()["by_provider"]) == ["example"]
    assert len(usage.json()["by_bucket"]) == 1
    assert cost.json()["total_cost_usd"] == 1.0
    (group,) = grouped.json()["groups"]
    assert group["key"] == {"provider": "example", "model": None}
    assert (group["run_count"], group["total_tokens"]) == (2, 14)
    assert group["bucket"] in grouped.json()["by_bucket"]
    assert [each["cost_usd"] for each in costs.json()["groups"]] == [0.5, 0.5]
