"""
Routes for what changes, and for what is downloaded.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import Header, Query, Response

from asm_async.console.access import ReaderDep, SessionId
from asm_async.console.export import html_pieces
from asm_async.console.live import ListStream, SessionStream
from asm_async.console.parameters import SessionFiltersDep
from asm_async.errors import ValidationError
from asm_async.integrations.fastapi.access import ContextDep
from asm_async.integrations.fastapi.pages import session_texts
from asm_async.integrations.fastapi.stream_routes import EventStream
from asm_async.integrations.fastapi.streams import ExportStream, JSONStream, Write
from asm_async.values.fields import MAX_COUNT

EXPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""
What an exported page may do: it has styles and images of its own, and no scripts.
"""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class HTMLExport(ExportStream):
    """
    An export as a page, broken off without an end if it cannot be whole.
    """

    media_type = "text/html; charset=utf-8"


async def follow_session(
    *,
    reader: ReaderDep,
    context: ContextDep,
    session_id: SessionId,
    after: Annotated[int, Query(ge=0, le=MAX_COUNT)] = 0,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """
    Stream what is appended to a session, and how it stands.
    """
    # One that is not there is no stream that has ended.
    await reader.view.get_session(session_id)
    place = after if last_event_id is None else number_of(last_event_id)
    return EventStream(SessionStream(reader, session_id, place).produce, context)


async def follow_sessions(
    reader: ReaderDep, context: ContextDep, filters: SessionFiltersDep
) -> Response:
    """
    Stream what changes at the beginning of the list of sessions.
    """
    # A filter that is wrong is no stream that has ended.
    await reader.view.search_sessions(**filters.found_by, limit=0)
    return EventStream(ListStream(reader, filters).produce, context)


async def export_session(
    *,
    reader: ReaderDep,
    context: ContextDep,
    session_id: SessionId,
    form: Annotated[Literal["html", "json"], Query(alias="format")] = "html",
) -> Response:
    """
    Download a session: as a page that stands alone, or as JSON.
    """
    await reader.view.get_session(session_id)
    pieces = html_pieces if form == "html" else None
    headers = {"Content-Disposition": attachment(f"{session_id}.{form}")}

    async def produce(write: Write) -> None:
        texts = (
            session_texts(reader.view, session_id)
            if pieces is None
            else pieces(reader, session_id)
        )
        async with aclosing(texts) as all_texts:
            async for text in all_texts:
                await write(text.encode("utf-8", "replace"))

    if form == "json":
        return JSONStream(produce, context, headers=headers)
    headers["Content-Security-Policy"] = EXPORT_POLICY
    return HTMLExport(produce, context, headers=headers)


def attachment(name: str) -> str:
    """
    Return the field that has a browser save a file under this name (RFC 6266).
    """
    plain = _UNSAFE.sub("_", name)[-100:].lstrip(".")
    return f'attachment; filename="{plain}"'


def number_of(last_event_id: str) -> int:
    """
    Return the number that a client has seen last.
    """
    is_number = last_event_id.isascii() and last_event_id.isdecimal()
    if not is_number or len(last_event_id) > len(str(MAX_COUNT)):
        raise ValidationError("Last-Event-ID: expected a sequence number")
    return int(last_event_id)
