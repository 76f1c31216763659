"""
Revisions and sequence numbers as entity tags (RFC 9110, sections 8.8.3 and 13.1).
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, TypeAlias

from fastapi import Header

from asm_async.errors import (
    RevisionConflictError,
    SequenceConflictError,
    ValidationError,
)
from asm_async.integrations.fastapi.problems import ProblemError
from asm_async.values.fields import MAX_COUNT
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = [
    "IfMatch",
    "IfNoneMatch",
    "IfNothingMatches",
    "are_same",
    "entity_tag",
    "expected_number",
    "precondition",
    "tag_of",
]

IfMatch: TypeAlias = Annotated[
    str | None,
    Header(
        description="The entity tag that was seen: the write is made only if it still"
        " holds (412 otherwise).",
        pattern=r'^"[0-9]{1,15}"$',
        examples=['"3"'],
    ),
]
IfNoneMatch: TypeAlias = Annotated[
    str | None,
    Header(
        description="Entity tags that are known already: 304 if one of them holds.",
        examples=['"3"'],
    ),
]
IfNothingMatches: TypeAlias = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="`*` to write only what is not there yet (412 otherwise).",
        pattern=r"^\*$",
        examples=["*"],
    ),
]

_TAG = re.compile(r'"(\d{1,16})"')
_ANY_TAG = re.compile(r'(?:W/)?("[^"]*")')


def entity_tag(number: int) -> str:
    """
    Return the entity tag for a revision or a latest sequence number.
    """
    return f'"{number}"'


def tag_of(value: Session | Run) -> str:
    """
    Return the entity tag of a session or a run.

    Soft deletion changes what is shown of a session, but not its revision.
    """
    is_deleted = isinstance(value, Session) and value.deleted_at is not None
    return f'"{value.revision}-deleted"' if is_deleted else entity_tag(value.revision)


def expected_number(if_match: str | None, if_none_match: str | None) -> int | None:
    """
    Return the number that a write expects; 0 for "nothing yet", None for none.

    Raises:
        ValidationError: If a field has a value that no write can expect.

        ProblemError: If both fields are given, which no state can meet.
    """
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise ValidationError("If-None-Match: a write takes * here")
        if if_match is not None:
            raise ProblemError(
                HTTPStatus.PRECONDITION_FAILED,
                "contradictory_preconditions",
                "Something cannot be there and not be there.",
            )
        return 0
    if if_match is None:
        return None
    match = _TAG.fullmatch(if_match.strip())
    if match is None or int(match[1]) > MAX_COUNT:
        raise ValidationError('If-Match: expected one strong entity tag, such as "3"')
    return int(match[1])


def are_same(if_none_match: str | None, tag: str) -> bool:
    """
    Return whether *tag* is among the entity tags that a client knows.
    """
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _ANY_TAG.findall(if_none_match)


@contextmanager
def precondition(expected: int | None) -> Generator[None]:
    """
    Answer 412 where what the request's fields expected is not met.

    Raises:
        ProblemError: Instead of the conflict, if anything was *expected*.
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
