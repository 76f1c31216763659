"""
Bodies of requests: bounded JSON objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias, TypeVar, cast

from fastapi import Depends
from starlette.requests import ClientDisconnect, Request

from asm_async.errors import ValidationError
from asm_async.fronts.loop_share import LoopShare, in_steps
from asm_async.integrations.fastapi.access import ContextDep, Limits
from asm_async.integrations.fastapi.long_bodies import LONG_BODY, body_in_steps
from asm_async.integrations.fastapi.problems import ProblemError
from asm_async.values import fields
from asm_async.values.json_values import JSONObject, without_collection
from asm_async.values.not_json import with_article
from asm_async.values.plain_value import check_members

B = TypeVar("B", bytes, JSONObject)
T = TypeVar("T")


async def _body(request: Request, context: ContextDep) -> JSONObject:
    # No parameter of FastAPI's: those are read before a request is authorized.
    content_type = request.headers.get("content-type", "").partition(";")[0]
    if content_type.strip().lower() != "application/json":
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body must be application/json.",
        )
    text = await _bounded(request, context.limits.max_body_bytes)
    is_long = len(text) >= LONG_BODY and text.lstrip().startswith((b"{", b"["))
    if is_long and context.state.passes_text:
        given = await _passed(text)
    else:
        given = await made_of(_object_of, text)
    _check_lengths(given, context.limits)
    return given


async def _passed(body: bytes) -> JSONObject:
    """
    Decode a long body but for its JSON values, which only pass through.
    """
    with _reading():
        return await in_steps(body_in_steps(body.decode("utf-8")))


def _object_of(text: bytes) -> JSONObject:
    """
    Decode a body.
    """
    with _reading(), without_collection():
        body = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    if not isinstance(body, dict):
        kind = with_article(type(body).__name__)
        raise ValidationError(f"body: expected a JSON object, got {kind}")
    return cast("JSONObject", body)


def _check_lengths(given: JSONObject, limits: Limits) -> None:
    """
    Refuse a body that has too many members, before anything is made of them.
    """
    for name, owner, most in (
        ("tags", given, limits.max_tags),
        ("tags", given.get("session"), limits.max_tags),
        ("tags", given.get("create_session"), limits.max_tags),
        ("events", given, limits.max_events_per_request),
        ("runs", given, limits.max_events_per_request),
        ("replacement", given, limits.max_events_per_request),
    ):
        _check_length(name, owner, most)


def _check_length(name: str, owner: object, most: int) -> None:
    """
    Refuse too many members before anything is made of them.
    """
    if not isinstance(owner, dict):
        return
    members: object = cast("JSONObject", owner).get(name)
    if isinstance(members, list) and len(cast("list[object]", members)) > most:
        count = len(cast("list[object]", members))
        raise ValidationError(f"{name}: expected at most {most}, got {count}")


async def made_of(make: Callable[[B], T], body: B) -> T:
    """
    Return what *make* makes of a body, and let others have the event loop then.
    """
    share = LoopShare()
    value = make(body)
    await share.rest()
    return value


BodyDep: TypeAlias = Annotated[JSONObject, Depends(_body)]


async def _bounded(request: Request, most: int) -> bytes:
    body = bytearray()
    declared = request.headers.get("content-length", "0")
    try:
        # A body that is declared too long is not even read.
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


@contextmanager
def _reading() -> Generator[None]:
    """
    Say of what cannot be decoded that it is no JSON.
    """
    try:
        yield
    except ValidationError:
        raise
    except (ValueError, RecursionError):
        # Among them bytes that are not UTF-8, endless integers, and deep nesting.
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "malformed_json", "The body is not JSON."
        ) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def with_place(body: JSONObject, **place: str) -> JSONObject:
    """
    Return *body* with what the URL says already, and refuse one that says else.
    """
    for name, value in place.items():
        if body.get(name, value) != value:
            raise ValidationError(f"{name}: it is {value!a} in the URL")
    return {**body, **place}


def made_by(make: Callable[[JSONObject], T], **place: str) -> fields.FieldRule:
    """
    Return the rule of a member that is an object of which *make* makes a value.
    """

    def rule(value: object, name: str) -> T:
        if not isinstance(value, dict):
            raise fields.unexpected(name, "a JSON object", value)
        return make(with_place(cast("JSONObject", value), **place))

    return rule


def members_of(
    body: JSONObject, rules: fields.FieldRules, *, optional: Collection[str] = ()
) -> dict[str, Any]:
    """
    Return the members of *body*, each as its rule makes it; some may be left out.
    """
    given = check_members(body, rules, rules.keys() - optional)
    return {name: rules[name](member, name) for name, member in given.items()}
