"""
Entries and records as JSON, and what a conversation's session keeps of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import attrs
from pydantic import ConfigDict, TypeAdapter
from pydantic_ai.conversation_store import ConversationEntry, ConversationRecord
from pydantic_ai.messages import ModelMessage

from asm_async.errors import ValidationError
from asm_async.integrations.pydantic_ai.places import LogPosition, Place
from asm_async.values import fields
from asm_async.values.json_values import normalise_json_object
from asm_async.values.session import Session

CONTEXT_KEY = "pydantic_ai"
"""
The member of a session's *context* that is the conversation's.
"""

# As the framework's own adapter has it: bytes are no text.
_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
_MESSAGE: TypeAdapter[ModelMessage] = TypeAdapter(ModelMessage, config=_CONFIG)
_RECORDS: TypeAdapter[list[ConversationRecord]] = TypeAdapter(
    list[ConversationRecord], config=_CONFIG
)


def check_unrepeated(new_entries: Iterable[ConversationEntry]) -> None:
    """
    Refuse entries of which two have the same id.

    Raises:
        ValidationError: Naming it.
    """
    seen = set[str]()
    for index, entry in enumerate(new_entries):
        if entry.id in seen:
            raise ValidationError(
                f"new_entries[{index}].id: {entry.id!r} is given twice"
            )
        seen.add(entry.id)


def entry_to_json(entry: ConversationEntry) -> dict[str, Any]:
    """
    Return an entry as JSON.

    Raises:
        ValidationError: If its message holds what is no JSON.
    """
    data = {
        "id": entry.id,
        "parent_id": entry.parent_id,
        "kind": entry.kind,
        "message": _dumped(_MESSAGE, entry.message, f"entry {entry.id!r}"),
    }
    return normalise_json_object(data, f"entry {entry.id!r}")


def entry_from_json(data: Mapping[str, Any]) -> ConversationEntry:
    """
    Return the entry that :func:`entry_to_json` was given.
    """
    return ConversationEntry(
        id=data["id"],
        parent_id=data["parent_id"],
        kind=data["kind"],
        message=_MESSAGE.validate_python(data["message"]),
    )


def _dumped(adapter: TypeAdapter[Any], value: object, name: str) -> Any:
    try:
        return adapter.dump_python(value, mode="json")
    except ValueError as error:
        raise ValidationError(f"{name}: {error}") from error


@attrs.frozen(kw_only=True)
class StoredConversation:
    """
    A conversation and its session.
    """

    session: Session
    """
    The session, as it is stored.
    """

    record: ConversationRecord
    """
    The framework's record.
    """

    head: Place | None
    """
    Where the record's head lies.
    """

    length: int
    """
    How many entries its log has had.
    """

    reads: frozenset[LogPosition]
    """
    The last entries, in the logs of others, of the histories that it leads to.
    """

    last_run_id: str | None
    """
    The run of its latest message.
    """


def conversation_of(session: Session) -> StoredConversation | None:
    """
    Return the conversation that a session keeps; None if there is none, or no more.
    """
    kept = cast("dict[str, Any]", session.context.get(CONTEXT_KEY) or {})
    if "record" not in kept:
        return None
    (record,) = _RECORDS.validate_python([kept["record"]])
    head = kept["head"]
    return StoredConversation(
        session=session,
        record=record,
        head=None if head is None else Place.from_json(head),
        length=kept["length"],
        reads=frozenset((log, position) for log, position in kept["reads"]),
        last_run_id=kept["last_run_id"],
    )


def context_of(
    record: ConversationRecord,
    *,
    head: Place | None,
    length: int,
    reads: Iterable[LogPosition],
    last_run_id: str | None,
) -> dict[str, Any]:
    """
    Return what a session's *context* keeps, from which :func:`conversation_of` reads.

    Raises:
        ValidationError: If the record holds what is no JSON.
    """
    (dumped,) = _dumped(_RECORDS, [record], "record")
    kept = {
        "record": normalise_json_object(dumped, "record"),
        "head": None if head is None else head.to_json(),
        "length": length,
        "reads": [list(each) for each in sorted(reads)],
        "last_run_id": last_run_id,
    }
    return {CONTEXT_KEY: kept}


def deleted_context(session: Session) -> dict[str, Any]:
    """
    Return the *context* of a session whose conversation is deleted.
    """
    return {**session.context, CONTEXT_KEY: {"is_deleted": True}}


def fitting_text(value: str | None) -> str | None:
    """
    Return a text that may be an id or a name of ours; None if it may not.
    """
    try:
        return None if value is None else fields.text(value, "value")
    except ValidationError:
        return None
