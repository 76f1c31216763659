"""
The few routes that write, where a console may: names, tags, and what is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from fastapi import Response

from asm_async.console.access import Reader, ReaderDep, SessionId
from asm_async.console.rows import MAX_TITLE_LENGTH, row_of
from asm_async.errors import RevisionConflictError, SessionDeletedError, ValidationError
from asm_async.integrations.fastapi.bodies import BodyDep, members_of
from asm_async.integrations.fastapi.responses import json_response
from asm_async.integrations.fastapi.tenant_view import TenantView
from asm_async.values import fields
from asm_async.values.session import Session

# Others save a session between the reading and the saving, but not forever.
_ATTEMPTS = 5


async def rename_session(
    reader: ReaderDep, session_id: SessionId, body: BodyDep
) -> Response:
    """
    Set the title in a session's metadata, or remove it.
    """
    given = members_of(body, {"title": _title})

    def renamed(session: Session) -> Session:
        if given["title"] is not None:
            return session.with_metadata(title=given["title"])
        kept = {k: v for k, v in session.metadata.items() if k != "title"}
        # Its time of change is set as for any other.
        return attrs.evolve(session.with_metadata(), metadata=kept)

    return await _update(reader, session_id, renamed)


async def tag_session(
    reader: ReaderDep, session_id: SessionId, body: BodyDep
) -> Response:
    """
    Add tags to a session, and remove some.
    """
    rules: fields.FieldRules = {"add": _tags, "remove": _tags}
    given = members_of(body, rules, optional=rules.keys())
    return await _update(reader, session_id, lambda each: each.with_tags(**given))


async def delete_session(
    reader: ReaderDep, session_id: SessionId, body: BodyDep
) -> Response:
    """
    Mark a session deleted; nothing of it is removed.
    """
    members_of(body, {})
    await reader.view.soft_delete_session(session_id)
    return await _row(reader, session_id)


async def restore_session(
    reader: ReaderDep, session_id: SessionId, body: BodyDep
) -> Response:
    """
    Undo the deletion of a session.
    """
    members_of(body, {})
    await reader.view.restore_session(session_id)
    return await _row(reader, session_id)


async def _update(
    reader: Reader, session_id: str, change: Callable[[Session], Session]
) -> Response:
    # What is saved has to be decoded.
    view = TenantView(reader.whole_ports, reader.tenant_id)
    for attempt in range(_ATTEMPTS):
        session = await view.get_session(session_id)
        if session.deleted_at is not None:
            raise SessionDeletedError(session_id)
        try:
            await view.save_session(change(session), expected_revision=session.revision)
        except RevisionConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    return await _row(reader, session_id)


async def _row(reader: Reader, session_id: str) -> Response:
    session = await reader.view.get_session(session_id)
    return json_response(await row_of(reader, session))


def _title(value: object, name: str) -> str | None:
    title = fields.optional(value, name, fields.text)
    if title is not None and len(title) > MAX_TITLE_LENGTH:
        raise ValidationError(f"{name}: expected at most {MAX_TITLE_LENGTH} characters")
    return title


def _tags(value: object, name: str) -> Any:
    return fields.tuple_of(value, name, fields.text)
