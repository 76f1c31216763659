"""
Where in a value the messages of a conversation are, and what stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast

import attrs

from asm_async.importers.members import as_list, as_object, list_at, object_at, text_of
from asm_async.importers.names import time_of
from asm_async.importers.records import NotUnderstoodError
from asm_async.usage import token_usage_of
from asm_async.values import fields

_LISTS = ("messages", "traj", "history", "conversation", "dialogue", "items", "input")
_SESSION_IDS = ("session_id", "conversation_id", "thread_id", "chat_id")
_IDS = ("id", "uuid", "custom_id")
_TIMES = ("created_at", "create_time", "created", "timestamp", "time", "date")
_COSTS = ("cost_usd", "response_cost")
_TITLES = ("title", "name")
_COMPLETION = "chat.completion"
_RESPONSE = "response"

Members = Mapping[str, Any]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(eq=False)
class Listed:
    """
    A conversation as a value of a file has it.
    """

    messages: list[tuple[str, Members]] = attrs.field(factory=list[tuple[str, Members]])
    """
    Its messages and items, each with its path.
    """

    answer_count: int = 0
    """
    How many of the last ones are the answer that *usage* and *cost_usd* are of.
    """

    usage: Mapping[str, int] = _NOTHING
    cost_usd: float | None = None
    model: str | None = None
    time: datetime | None = None
    answered_at: datetime | None = None
    session_id: str | None = None
    """
    The id of the session, known beyond the file.
    """

    id: str | None = None
    """
    The id of the value within the file.
    """

    response_id: str | None = None
    """
    The id of the response that is all there is of it.
    """

    previous_id: str | None = None
    """
    The response before that one.
    """

    title: str | None = None
    rest: Members = _NOTHING
    """
    What stands beside the messages.
    """


def is_message(value: object) -> bool:
    """
    Return whether a value is a message, or an item of the Responses interface.
    """
    members = as_object(value)
    if text_of(members, "object"):
        return False
    return isinstance(members.get("role"), str) or (
        isinstance(members.get("type"), str)
        and not any(isinstance(members.get(name), list) for name in _LISTS)
    )


def listed(value: object, path: str) -> Listed:
    """
    Return the conversation that a value is.

    Raises:
        NotUnderstoodError: If there are no messages in it.

        ValidationError: If a count of tokens is none.
    """
    if isinstance(value, list):
        return Listed(_numbered(as_list(cast("object", value)), path))
    members = as_object(value)
    asked, asked_path = _asked(members, path)
    messages, list_name = _messages_in(asked, asked_path)
    answer, answer_path = _answer(members, path)
    answers = _answers_in(answer, answer_path)
    if not messages and not answers:
        raise NotUnderstoodError("there are no messages in it")
    session_id = _text_in(members, _SESSION_IDS)
    is_response = not messages and text_of(answer, "object") == _RESPONSE
    conversation = object_at(answer, "conversation")
    rest = {name: each for name, each in members.items() if name != list_name}
    return Listed(
        messages=messages + answers,
        answer_count=len(answers),
        usage=token_usage_of(object_at(answer, "usage")) if answers else {},
        cost_usd=_cost_in(members),
        model=text_of(answer, "model") or text_of(asked, "model") or None,
        time=_time_in(members),
        answered_at=_time_in(answer) if answers else None,
        session_id=session_id or text_of(conversation, "id") or None,
        id=_text_in(members, _IDS),
        response_id=text_of(answer, "id") or None if is_response else None,
        previous_id=text_of(answer, "previous_response_id") or None,
        title=_text_in(members, _TITLES),
        rest=rest,
    )


def message_time_of(message: Members) -> datetime | None:
    """
    Return when a message was said, if it tells.
    """
    return _time_in(message)


def _asked(members: Members, path: str) -> tuple[Members, str]:
    """
    Return what was asked of the model: the value, or the request that it keeps.
    """
    for name in ("request", "body"):
        if within := object_at(members, name):
            return within, f"{path}.{name}"
    return members, path


def _answer(members: Members, path: str) -> tuple[Members, str]:
    """
    Return what the model answered: the value, or the response that it keeps.
    """
    if within := object_at(members, "response"):
        body = object_at(within, "body")
        return (body, f"{path}.response.body") if body else (within, f"{path}.response")
    return members, path


def _messages_in(
    asked: Members, path: str
) -> tuple[list[tuple[str, Members]], str | None]:
    for name in _LISTS:
        some = list_at(asked, name)
        if some and any(is_message(each) for each in some):
            return _numbered(some, f"{path}.{name}"), name
    if text := text_of(asked, "input"):
        # The Responses interface takes a text alone.
        return [(f"{path}.input", {"role": "user", "content": text})], None
    return [], None


def _answers_in(answer: Members, path: str) -> list[tuple[str, Members]]:
    if output := list_at(answer, "output"):
        return _numbered(output, f"{path}.output")
    choices = list_at(answer, "choices")
    for index, choice in enumerate(choices[:1]):
        if message := object_at(as_object(choice), "message"):
            return [(f"{path}.choices[{index}].message", message)]
    return []


def _numbered(values: list[Any], path: str) -> list[tuple[str, Members]]:
    # What is no object is a message of which nothing is known.
    return [
        (f"{path}[{index}]", as_object(each) or {"value": each})
        for index, each in enumerate(values)
    ]


def _text_in(members: Members, names: tuple[str, ...]) -> str | None:
    for name in names:
        value = members.get(name)
        if isinstance(value, str) and value:
            return value
        if type(value) is int:
            return str(value)
    return None


def _time_in(members: Members) -> datetime | None:
    times = (time_of(members.get(name)) for name in _TIMES)
    return next((time for time in times if time), None)


def _cost_in(members: Members) -> float | None:
    for name in _COSTS:
        if members.get(name) is not None:
            return fields.amount(members[name], name)
    return None
