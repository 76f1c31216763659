"""
Values of the ports as JSON, in a response, with their entity tags.

A revision, or a latest sequence number, is an entity tag (RFC 9110, sections 8.8.3 and
13.1).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from asm_async.errors import RevisionConflictError, SequenceConflictError
from asm_async.integrations.fastapi.problems import ProblemError
from asm_async.values.event import Event
from asm_async.values.json_values import encode_json
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionMember
from asm_async.values.state_item import StateItem
from asm_async.values.text_match import Snippet, TextMatch
from asm_async.values.value import schema_of


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """
    Answer with a JSON value as ASCII text.

    Escaped, every value of a session can be sent: UTF-8 has no lone surrogates.
    """
    return json_text_response(encode_json(content), status, headers)


def json_text_response(
    text: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """
    Answer with JSON that is encoded already.
    """
    return Response(text, status, headers, "application/json")


def encode_value(value: Session | SessionMember | TextMatch | Snippet) -> str:
    """
    Encode what a port returned; JSON that it did not decode goes out as it is stored.

    ``to_dict()`` would check once more that what is stored is JSON, which takes three
    times as long.
    """
    names = schema_of(type(value)).rules
    members = [f'"{name}":{_text_of(getattr(value, name))}' for name in names]
    return f"{{{','.join(members)}}}"


def _text_of(member: object) -> str:
    if isinstance(member, Session | Event | Snippet):
        return encode_value(member)
    if isinstance(member, bytes):
        return f'"{base64.b64encode(member).decode()}"'
    if isinstance(member, datetime):
        member = member.isoformat(timespec="microseconds")
    return encode_json(member)


def link_to_next(request: Request, **parameters: str) -> dict[str, str]:
    """
    Link to the same query with other *parameters* (RFC 8288).

    The link is relative, so that it holds behind any proxy.
    """
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in parameters
    ]
    return {"Link": f'<?{urlencode([*kept, *parameters.items()])}>; rel="next"'}


IfNoneMatch: TypeAlias = Annotated[
    str | None,
    Header(
        description="Entity tags that are known already: 304 if one of them holds.",
        examples=['"3"'],
    ),
]

_ANY_TAG = re.compile(r'(?:W/)?("[^"]*")')


async def _expected(
    if_match: Annotated[
        str | None,
        Header(
            description="The entity tag that was seen: the write is made only if it"
            " still holds (412 otherwise).",
            pattern=r'^"[0-9]{1,15}"$',
            examples=['"3"'],
        ),
    ] = None,
    if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="`*` to write only what is not there yet (412 otherwise).",
            pattern=r"^\*$",
            examples=["*"],
        ),
    ] = None,
) -> int | None:
    # 0 stands for "nothing yet", and None for any number.
    if if_none_match is None:
        return None if if_match is None else int(if_match.strip('"'))
    if if_match is not None:
        raise ProblemError(
            HTTPStatus.PRECONDITION_FAILED,
            "contradictory_preconditions",
            "If-Match and If-None-Match contradict each other: send one of them.",
        )
    return 0


ExpectedDep: TypeAlias = Annotated[int | None, Depends(_expected)]


def entity_tag(number: int) -> str:
    """
    Return the entity tag for a revision or a latest sequence number.
    """
    return f'"{number}"'


def _tag_of(value: Session | Run | StateItem) -> str:
    # Soft deletion changes what is shown of a session, but not its revision.
    is_deleted = isinstance(value, Session) and value.deleted_at is not None
    return f'"{value.revision}-deleted"' if is_deleted else entity_tag(value.revision)


def with_tag(
    value: Session | Run | StateItem, status: int = 200, location: str | None = None
) -> Response:
    """
    Answer with a session, a run or an item, and with its entity tag.
    """
    headers = {} if location is None else {"Location": location}
    headers["ETag"] = _tag_of(value)
    return json_text_response(encode_value(value), status, headers)


def unless_known(
    value: Session | Run | StateItem, if_none_match: str | None
) -> Response:
    """
    Answer with a session, a run or an item, unless the client knows its entity tag.
    """
    tag, known = _tag_of(value), if_none_match or ""
    if known.strip() == "*" or tag in _ANY_TAG.findall(known):
        return Response(status_code=304, headers={"ETag": tag})
    return with_tag(value)


@contextmanager
def precondition(expected: int | None) -> Generator[None]:
    """
    Answer 412, not 409, where what the request's fields expected is not met.
    """
    try:
        yield
    except (RevisionConflictError, SequenceConflictError) as error:
        if expected is None:
            raise
        raise ProblemError(
            HTTPStatus.PRECONDITION_FAILED,
            error.code,
            str(error),
            headers={"ETag": entity_tag(error.actual)},
            actual=error.actual,
        ) from None
