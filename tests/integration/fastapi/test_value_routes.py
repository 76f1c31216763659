"""
Values as the parameters and results of an application's own routes.
"""

from __future__ import annotations

from typing import Annotated

import httpx
from fastapi import Body, FastAPI
from pydantic import BaseModel, TypeAdapter

from asm_async import Event, Run, Session
from asm_async.testing.factories import make_event, make_run, make_session


class Turn(BaseModel):
    """
    What a route of an application returns.
    """

    session: Session
    run: Run | None
    events: list[Event]


TURN = Turn(session=make_session(), run=None, events=[make_event(data={"a": [1.0]})])


def application() -> FastAPI:
    """
    Make an application whose routes take and return values.
    """
    app = FastAPI()

    @app.get("/event")
    async def get_event() -> Event:
        return make_event()

    @app.get("/turn")
    async def get_turn() -> Turn:
        return TURN

    @app.put("/session")
    async def put_session(
        session: Annotated[Session, Body()],
    ) -> list[Session]:
        return [session]

    return app


async def test_a_route_takes_and_returns_values() -> None:
    """
    By their form in JSON, also within models and lists; a wrong field is named.
    """
    app = application()
    wrong = make_session().to_dict() | {"status": "asleep"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        event = await client.get("/event")
        turn = await client.get("/turn")
        saved = await client.put("/session", json=make_session().to_dict())
        refused = await client.put("/session", json=wrong)

    assert Event.from_dict(event.json()) == make_event()
    assert turn.json()["events"] == [make_event(data={"a": [1.0]}).to_dict()]
    assert saved.json() == [make_session().to_dict()]
    assert refused.status_code == 422
    assert "status: 'asleep' is not one of" in refused.text
    answer = app.openapi()["paths"]["/event"]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == set(make_event().to_dict())


def test_pydantic_knows_values() -> None:
    """
    A value stays the same object, and comes back from JSON as an equal one.
    """
    run = make_run(output={"n": 1})
    adapter = TypeAdapter(Run)

    assert adapter.validate_python(run) is run
    assert adapter.validate_json(adapter.dump_json(run)) == run
    assert adapter.dump_python(run) == run.to_dict()
    assert Turn.model_validate_json(TURN.model_dump_json()) == TURN
    assert Run.from_dict(run.to_dict()) == run
