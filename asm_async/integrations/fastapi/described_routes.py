"""
Routes, and what OpenAPI says of their answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel

from asm_async.integrations.fastapi.schema_models import inlined_schema

# The request is refused, a parameter is wrong, or the database is out of reach.
_ANYWHERE = frozenset({401, 403, 422, 500, 503})

_OF_BODIES = frozenset({400, 413, 415})

_DETAILS: Mapping[int, str] = {
    400: "The body cannot be read as JSON.",
    401: "The request does not say for whom it is.",
    403: "The tenant of the request may not do this.",
    404: "There is no such thing, or none of this tenant's.",
    409: "What is stored does not allow this.",
    412: "What was expected does not hold any more.",
    413: "The body is too long.",
    415: "The body is not application/json.",
    429: "As many streams or exports are open as one tenant may have.",
    422: "A parameter or a field is wrong; `detail` begins with its name.",
    500: "Something went wrong; it was logged.",
    501: "This server cannot do it.",
    503: "Busy or out of reach; `Retry-After` says when to try again.",
}

_PROBLEM: Mapping[str, Any] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {
            "type": "string",
            "description": "What programs can tell the problem by.",
        },
        "actual": {
            "type": "integer",
            "description": "The number that is stored, where another was expected.",
        },
        "outcome_unknown": {
            "type": "boolean",
            "description": "Whether a write may have been made all the same.",
        },
    },
}
_HEADERS: Mapping[str, str] = {
    "ETag": "The entity tag of what is stored now.",
    "Link": "Where the next page is, as `rel=next` (RFC 8288); none on the last.",
    "Location": "Where it is.",
    "Retry-After": "After how many seconds to try again.",
}


def add_route(
    router: APIRouter,
    path: str,
    endpoint: Callable[..., Coroutine[Any, Any, Response]],
    model: type[BaseModel] | None,
    *,
    method: str = "GET",
    status: int = 200,
    body: type[BaseModel] | None = None,
    headers: Collection[str] = (),
    problems: Collection[int] = (404,),
    others: Mapping[int, dict[str, Any]] = MappingProxyType({}),
    **options: Any,
) -> None:
    """
    Add a route, with all that it may answer.

    An answer with *status* is described by *model*, and has the fields *headers*; with
    PUT a value is saved whole, and may be new (201). Beside it are the *problems* that
    not every route may answer with, and *others* that are no problems.
    """
    known = {*_ANYWHERE, *problems}
    if body is not None:
        known |= _OF_BODIES
        content = {"application/json": {"schema": inlined_schema(body)}}
        request_body = {"required": True, "content": content}
        options["openapi_extra"] = {"requestBody": request_body}
    answers: dict[Any, dict[str, Any]] = {
        number: _problem(number) for number in sorted(known)
    }
    if headers:
        answers[status] = {"headers": _headers(*headers)}
    if method == "PUT":
        new = {"model": model, "description": "It is new."}
        answers[201] = {**new, "headers": _headers(*headers)}
    answers.update(others)
    router.add_api_route(
        path,
        endpoint,
        methods=[method],
        status_code=status,
        response_model=model,
        responses=answers,
        **options,
    )


def _headers(*names: str) -> dict[str, Any]:
    return {
        name: {"description": _HEADERS[name], "schema": {"type": "string"}}
        for name in names
    }


def _problem(status: int) -> dict[str, Any]:
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _DETAILS[status],
        "code": "session_not_found" if status == HTTPStatus.NOT_FOUND else "...",
    }
    content = {"application/problem+json": {"schema": _PROBLEM, "example": example}}
    described: dict[str, Any] = {"description": _DETAILS[status], "content": content}
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        described["headers"] = _headers("Retry-After")
    return described
