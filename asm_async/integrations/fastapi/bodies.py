"""
Bodies of requests: bounded JSON objects.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias, cast

from fastapi import Depends
from starlette.requests import ClientDisconnect, Request

from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import ContextDep
from asm_async.integrations.fastapi.problems import ProblemError
from asm_async.values.json_values import JSONObject, with_article

__all__ = [
    "BodyDep",
    "check_members",
    "member_object",
    "member_objects",
    "with_place",
]


async def _body(request: Request, context: ContextDep) -> JSONObject:
    """
    Read a body that is a JSON object.

    It is no parameter of FastAPI's: those are read before anybody is authorized.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0]
    if content_type.strip().lower() != "application/json":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be application/json.",
        )
    body = _decoded(await _bounded(request, context.limits.max_body_bytes))
    if not isinstance(body, dict):
        kind = with_article(type(body).__name__)
        raise ValidationError(f"body: expected a JSON object, got {kind}")
    return cast("JSONObject", body)


BodyDep: TypeAlias = Annotated[JSONObject, Depends(_body)]


async def _bounded(request: Request, most: int) -> bytes:
    body = bytearray()
    declared = request.headers.get("content-length", "0")
    try:
        # What is declared too long is not even read.
        is_too_long = declared.isdecimal() and int(declared) > most
        if not is_too_long:
            async for piece in request.stream():
                body += piece
                if is_too_long := len(body) > most:
                    break
    except ClientDisconnect:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "incomplete_body", "The body ended too soon."
        ) from None
    if is_too_long:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body_too_large",
            f"The body must not have more than {most} bytes.",
        )
    return bytes(body)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        # Among them bytes that are not UTF-8, integers without end, and deep nesting.
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "malformed_json", "The body is not JSON."
        ) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def with_place(body: JSONObject, **place: str) -> JSONObject:
    """
    Give *body* with what the URL says already.

    Raises:
        ValidationError: If it says anything else itself.
    """
    for name, value in place.items():
        if body.get(name, value) != value:
            raise ValidationError(f"{name}: it is {value!a} in the URL")
    return {**body, **place}


def check_members(body: JSONObject, *names: str) -> None:
    """
    Make sure that *body* has no members but those of these *names*.

    Raises:
        ValidationError: Naming the first other one.
    """
    if unknown := sorted(body.keys() - set(names)):
        raise ValidationError(f"{unknown[0]!a}: there is no field of this name")


def member_object(body: JSONObject, name: str) -> JSONObject:
    """
    Give a member of *body* that is an object.

    Raises:
        ValidationError: If it is missing or anything else.
    """
    member = body.get(name)
    if not isinstance(member, dict):
        raise ValidationError(f"{name}: expected a JSON object")
    return cast("JSONObject", member)


def member_objects(body: JSONObject, name: str) -> list[JSONObject]:
    """
    Give a member of *body* that is a list of objects.

    Raises:
        ValidationError: If it is missing or anything else.
    """
    members = body.get(name)
    if not isinstance(members, list):
        raise ValidationError(f"{name}: expected a list")
    for index, member in enumerate(cast("list[object]", members)):
        if not isinstance(member, dict):
            raise ValidationError(f"{name}[{index}]: expected a JSON object")
    return cast("list[JSONObject]", members)
