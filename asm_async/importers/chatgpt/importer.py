"""
The importer of ChatGPT's data exports.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any

from asm_async.importers.chatgpt.assets import Asset, Assets, files_beside
from asm_async.importers.chatgpt.messages import asides_of, steps_of
from asm_async.importers.chatgpt.tree import MessageTree
from asm_async.importers.compression import uncompressed_name
from asm_async.importers.conversation import Conversation
from asm_async.importers.documents import (
    Document,
    beginning_of,
    is_readable,
    read_in_thread,
    values_in,
)
from asm_async.importers.importer import ImportContext
from asm_async.importers.json_values import JSONPlace
from asm_async.importers.members import as_object, text_of
from asm_async.importers.names import digest_of, time_of
from asm_async.importers.pictures import records_of_documents
from asm_async.importers.records import Incoming, NotUnderstoodError, Place
from asm_async.importers.summary import ProblemCode

_CONVERSATIONS = re.compile(r"(?:.*/)?conversations(?:[-_]\d+)?\.json")
_AGENT_ID = "chatgpt"
_PROVIDER = "openai"
_FACTS = (
    "default_model_slug",
    "gizmo_id",
    "gizmo_type",
    "conversation_origin",
    "current_node",
    "is_archived",
    "is_starred",
    "voice",
)


class ChatGPTImporter:
    """
    Reads ``conversations.json`` of an export: its archive, its folder, or the file.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file has the trees of messages that ChatGPT exports.
        """
        is_named = uncompressed_name(path).endswith((".json", ".zip"))
        return is_named and b'"mapping"' in beginning_of(path, beginning, _is_export)

    def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the records of all conversations.
        """
        return records_of_documents(
            context, _is_export, partial(_conversations_in, context)
        )


def _is_export(path: str) -> bool:
    return _CONVERSATIONS.fullmatch(path) is not None


async def _conversations_in(
    context: ImportContext, document: Document
) -> AsyncGenerator[Conversation]:
    files = {} if context.artifacts is None else files_beside(document)
    async for value in read_in_thread(values_in(context, document)):
        if not is_readable(context, document, value):
            continue
        place = Place(document.shown, value.number, value.size)
        try:
            conversation = _conversation(context, document, value, place, files)
        except NotUnderstoodError as error:
            code = ProblemCode.NOT_UNDERSTOOD
            context.tally.problem(place, code, f"{value.path}: {error}")
        else:
            yield conversation


def _conversation(
    context: ImportContext,
    document: Document,
    value: JSONPlace,
    place: Place,
    files: Mapping[str, Asset],
) -> Conversation:
    members: Mapping[str, Any] = as_object(value.value)
    tree = MessageTree(members)
    for node_id in tree.misshapen:
        reason = f"{value.path}.mapping.{node_id}: it is no object"
        context.tally.problem(place, ProblemCode.NOT_UNDERSTOOD, reason)
    branch = tree.shown()
    name = text_of(members, "conversation_id") or text_of(members, "id")
    begun = [time_of(node.message.get("create_time")) for node in branch]
    times = [time_of(members.get("create_time")), *begun]
    session = context.session(
        name or digest_of([node.id for node in branch[:3]]),
        agent_id=_AGENT_ID,
        created_at=next((time for time in times if time), document.time),
    )
    return Conversation(
        place=place,
        session=session,
        provider=_PROVIDER,
        steps=steps_of(branch, place, value.path, Assets(context, session.id, files)),
        asides=asides_of(tree.others(branch), place, value.path),
        title=text_of(members, "title") or None,
        facts={name: members[name] for name in _FACTS if members.get(name)},
        updated_at=time_of(members.get("update_time")),
    )
