"""
The importer of Claude's data exports.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import partial
from typing import Any, cast

import attrs

from asm_async.importers.claude_export.messages import steps_of
from asm_async.importers.compression import uncompressed_name
from asm_async.importers.conversation import Aside, Conversation
from asm_async.importers.documents import (
    Document,
    beginning_of,
    is_readable,
    read_in_thread,
    values_in,
)
from asm_async.importers.importer import ImportContext
from asm_async.importers.json_values import JSONPlace
from asm_async.importers.members import as_object, list_at, object_at, text_of
from asm_async.importers.names import digest_of, time_of
from asm_async.importers.pictures import records_of_documents
from asm_async.importers.records import Incoming, NotUnderstoodError, Place
from asm_async.importers.summary import ProblemCode

_PROJECTS = re.compile(r"(?:.*/)?projects\.json")
_CONVERSATIONS = re.compile(r"(?:.*/)?conversations(?:[-_]\d+)?\.json")
_AGENT_ID = "claude"
_PROVIDER = "anthropic"
_FACTS = ("summary", "model", "project", "project_uuid", "is_starred", "settings")


class ClaudeExportImporter:
    """
    Reads the conversations and projects of an export: its archive, its folder, a file.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file has conversations as Claude exports them.
        """
        is_named = uncompressed_name(path).endswith((".json", ".zip"))
        return is_named and b'"chat_messages"' in beginning_of(
            path, beginning, _is_export
        )

    def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the records of all conversations and projects.
        """
        return records_of_documents(
            context, _is_export, partial(_conversations_in, context)
        )


def _is_export(path: str) -> bool:
    return any(each.fullmatch(path) for each in (_CONVERSATIONS, _PROJECTS))


async def _conversations_in(
    context: ImportContext, document: Document
) -> AsyncGenerator[Conversation]:
    make = _project if _PROJECTS.fullmatch(document.shown) else _conversation
    async for value in read_in_thread(values_in(context, document)):
        if not is_readable(context, document, value):
            continue
        place = Place(document.shown, value.number, value.size)
        try:
            yield make(context, document, value, place)
        except NotUnderstoodError as error:
            code = ProblemCode.NOT_UNDERSTOOD
            context.tally.problem(place, code, f"{value.path}: {error}")


def _conversation(
    context: ImportContext, document: Document, value: JSONPlace, place: Place
) -> Conversation:
    members = as_object(value.value)
    if not isinstance(members.get("chat_messages"), list):
        raise NotUnderstoodError("it is no conversation: it has no chat_messages")
    messages: list[tuple[str, Mapping[str, Any]]] = []
    for index, message in enumerate(list_at(members, "chat_messages")):
        path = f"{value.path}.chat_messages[{index}]"
        if isinstance(message, dict):
            messages.append((path, as_object(cast("object", message))))
        else:
            reason = f"{path}: it is no object"
            context.tally.problem(place, ProblemCode.NOT_UNDERSTOOD, reason)
    shown = _shown(messages, text_of(members, "current_leaf_message_uuid"))
    ids = {text_of(message, "uuid") for _, message in shown}
    first: Mapping[str, Any] = messages[0][1] if messages else {}
    session = context.session(
        text_of(members, "uuid") or digest_of([text_of(first, "uuid"), dict(first)]),
        agent_id=_AGENT_ID,
        created_at=time_of(members.get("created_at"))
        or time_of(first.get("created_at"))
        or document.time,
        user_id=text_of(object_at(members, "account"), "uuid") or None,
    )
    share = attrs.evolve(place, byte_count=value.size // max(len(messages), 1))
    return Conversation(
        place=place,
        session=session,
        provider=_PROVIDER,
        steps=steps_of(shown, share, text_of(members, "model") or None),
        asides=_branches(messages, ids, share),
        title=text_of(members, "name") or None,
        facts={name: members[name] for name in _FACTS if members.get(name)},
        updated_at=time_of(members.get("updated_at")),
    )


def _shown(
    messages: list[tuple[str, Mapping[str, Any]]], leaf: str
) -> list[tuple[str, Mapping[str, Any]]]:
    """
    Return the messages of the branch that is shown: all, where they name no parents.
    """
    if not any(text_of(message, "parent_message_uuid") for _, message in messages):
        return messages
    by_id = {text_of(each[1], "uuid"): each for each in messages}
    found: tuple[str, Mapping[str, Any]] | None = by_id.get(leaf) or messages[-1]
    branch: list[tuple[str, Mapping[str, Any]]] = []
    passed: set[str] = set()
    while found is not None and text_of(found[1], "uuid") not in passed:
        passed.add(text_of(found[1], "uuid"))
        branch.append(found)
        found = by_id.get(text_of(found[1], "parent_message_uuid"))
    return branch[::-1]


def _branches(
    messages: list[tuple[str, Mapping[str, Any]]], shown: set[str], place: Place
) -> Iterator[Aside]:
    for path, message in messages:
        if text_of(message, "uuid") not in shown:
            yield Aside(
                place=place,
                path=path,
                name="branch",
                original=message,
                said=[text_of(message, "uuid"), message.get("content")],
                time=time_of(message.get("created_at")),
            )


def _project(
    context: ImportContext, document: Document, value: JSONPlace, place: Place
) -> Conversation:
    """
    Return a project as a session in which nothing is said: its prompt and documents.
    """
    members = as_object(value.value)
    name = text_of(members, "uuid")
    if not name:
        raise NotUnderstoodError("it is no project: it has no uuid")
    time = time_of(members.get("created_at"))
    project = Aside(
        place=place,
        path=value.path,
        name="project",
        original=members,
        said=dict(members),
        time=time,
    )
    return Conversation(
        place=place,
        session=context.session(
            "project", name, agent_id=_AGENT_ID, created_at=time or document.time
        ),
        provider=_PROVIDER,
        steps=(),
        asides=[project],
        title=text_of(members, "name") or None,
    )
