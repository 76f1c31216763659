"""
What OpenAPI says of values is what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import attrs
import pytest
from fastapi import Depends, FastAPI
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from asm_async import Event, EventType, Run, RunStatus, Session, SessionStatus
from asm_async.integrations.fastapi import health_router, router, schemas
from asm_async.integrations.fastapi.schema_models import inlined_schema
from asm_async.values.maintenance import HealthIssue
from asm_async.values.session_export import SessionExport
from asm_async.values.summaries import (
    CostSummary,
    CostTotals,
    SessionStats,
    TokenTotals,
    UsageSummary,
    UsageTotals,
)
from asm_async.values.text_match import Snippet, TextMatch
from tests.integration.fastapi.serving import authorize

VIEWS: list[tuple[str, type[attrs.AttrsInstance]]] = [
    (f"{kind.__name__}View", kind)
    for kind in (
        Session,
        Run,
        Event,
        SessionStats,
        SessionExport,
        UsageSummary,
        UsageTotals,
        CostSummary,
        CostTotals,
        TokenTotals,
        HealthIssue,
        TextMatch,
        Snippet,
    )
]
BODIES: list[tuple[type[BaseModel], type[BaseModel], set[str]]] = [
    (
        schemas.SessionBody,
        schemas.SessionView,
        {"id", "revision", "deleted_at", "last_activity_at"},
    ),
    (schemas.RunBody, schemas.RunView, {"id", "session_id", "revision"}),
    (schemas.EventBody, schemas.EventView, {"session_id", "sequence_number"}),
]


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """
    Describe an application that has our routes.
    """
    app = FastAPI()
    app.include_router(router(authorize=authorize))
    return app.openapi()


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Yield each operation with its name.
    """
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


@pytest.mark.parametrize(("view", "value"), VIEWS)
def test_a_view_has_the_fields_of_its_value(
    openapi: dict[str, Any], view: str, value: type[attrs.AttrsInstance]
) -> None:
    """
    Each field of a value is described, required, and nothing else is.
    """
    schema = openapi["components"]["schemas"][view]
    names = [field.name for field in attrs.fields(value)]

    assert list(schema["properties"]) == names
    assert schema["required"] == names
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(("body", "view", "given"), BODIES)
def test_a_body_lacks_only_what_is_given(
    body: type[BaseModel], view: type[BaseModel], given: set[str]
) -> None:
    """
    A body has the fields of what is stored, but for what URL and server give.
    """
    assert set(body.model_fields) == set(view.model_fields) - given


def test_the_statuses_and_types_are_all_named() -> None:
    """
    Whatever an enumeration has, the description has.
    """
    session = inlined_schema(schemas.SessionView)["properties"]
    run = inlined_schema(schemas.RunView)["properties"]
    event = inlined_schema(schemas.EventView)["properties"]

    assert session["status"]["enum"] == list(SessionStatus)
    assert run["status"]["enum"] == list(RunStatus)
    assert event["type"]["anyOf"][0]["enum"] == list(EventType)


def test_every_operation_is_described(openapi: dict[str, Any]) -> None:
    """
    Each route has a description, an answer, and the problems that it may answer with.
    """
    for name, operation in operations(openapi):
        assert operation["description"], name
        answers = operation["responses"]
        assert any(status.startswith("2") for status in answers), name
        assert {"401", "403", "422", "500", "503"} <= set(answers), name
        for status, answer in answers.items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], name


BEARER = HTTPBearer(auto_error=False)
COOKIE = APIKeyCookie(name="session", auto_error=False)


async def by_token_or_cookie(
    token: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    session: Annotated[str | None, Depends(COOKIE)],
) -> str:
    """
    Let in whoever shows either.
    """
    return token.credentials if token else str(session)


def test_a_router_shows_how_it_is_authorized() -> None:
    """
    Each route has the security schemes of the callback, for which /docs has a button.
    """
    app = FastAPI()
    app.include_router(router(authorize=by_token_or_cookie), prefix="/asm")
    app.include_router(health_router())
    described = app.openapi()

    assert described["components"]["securitySchemes"] == {
        "HTTPBearer": {"type": "http", "scheme": "bearer"},
        "APIKeyCookie": {"type": "apiKey", "in": "cookie", "name": "session"},
    }
    for name, operation in operations(described):
        assert operation["security"] == [{"HTTPBearer": []}, {"APIKeyCookie": []}], name
        assert {"401", "403"} <= set(operation["responses"]), name


def test_examples_are_of_the_shape_they_show(openapi: dict[str, Any]) -> None:
    """
    An example has no field that is not described, and all that are required.
    """
    described = {
        name: schema
        for name, schema in openapi["components"]["schemas"].items()
        if "example" in schema
    }
    for name, operation in operations(openapi):
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            described[name] = content["schema"]

    assert len(described) > len(BODIES)
    for name, schema in described.items():
        assert set(schema["example"]) <= set(schema["properties"]), name
        missing = set(schema.get("required", ())) - set(schema["example"])
        # FastAPI drops what is null.
        for field in missing:
            assert {"type": "null"} in schema["properties"][field]["anyOf"], name
