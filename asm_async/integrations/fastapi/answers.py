"""
What routes say of their answers, in the words of OpenAPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

__all__ = ["BODY_STATUSES", "Answers", "with_headers", "with_problems"]

Answers: TypeAlias = dict[int | str, dict[str, Any]]

BODY_STATUSES = (400, 413, 415)
"""
What a route may answer that takes a body.
"""

# Whom authorize keeps out, parameters that are wrong, a database out of reach.
_ANYWHERE = (401, 403, 422, 500, 503)

_DETAILS: Mapping[int, str] = {
    400: "The body cannot be read as JSON.",
    401: "The request does not say for whom it is.",
    403: "Whoever it is for may not do this.",
    404: "There is no such thing, or not for whoever asks.",
    409: "What is stored does not allow this.",
    412: "What was expected does not hold any more.",
    413: "The body is too long.",
    415: "The body is not application/json.",
    422: "A parameter or a field is wrong; `detail` begins with its name.",
    500: "Something went wrong; it was logged.",
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


def with_problems(*statuses: int) -> Answers:
    """
    Describe the problems with which a route may answer, beside those of any.
    """
    return {status: _problem(status) for status in sorted({*_ANYWHERE, *statuses})}


def with_headers(*names: str) -> dict[str, Any]:
    """
    Describe fields of an answer.
    """
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
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        described["headers"] = with_headers("Retry-After")
    return described
