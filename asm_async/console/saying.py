"""
Finding what was said in all sessions, by the index of texts.
"""

from __future__ import annotations

from typing import Any

from asm_async.console.access import Reader
from asm_async.console.answers import Said, SaidPage
from asm_async.console.cuts import time_text
from asm_async.console.rows import given_title
from asm_async.conventions import speaker_of
from asm_async.values.text_match import TextMatch


async def find_texts(reader: Reader, query: str, **options: Any) -> SaidPage:
    """
    Return a page of what was said, the best match first.

    Without an index nothing is found, and the answer says so.
    """
    if reader.ports.text_search is None:
        return {"items": [], "cursor": None, "is_indexed": False}
    page = await reader.view.search_text(query=query, **options)
    lag = await reader.ports.text_search.lag()
    return {
        "items": [_said(match) for match in page],
        "cursor": page.cursor,
        # An index that nobody has ever updated has nothing to say.
        "is_indexed": lag.updated_at is not None,
    }


def _said(match: TextMatch) -> Said:
    event, session = match.event, match.session
    speaker = None if event is None else speaker_of(event)
    return {
        "session_id": session.id,
        "title": given_title(session) or session.id,
        "sequence": None if event is None else event.sequence_number,
        "type": "title" if event is None else str(event.type),
        "speaker": None if speaker is None else speaker.value,
        "time": time_text(session.created_at if event is None else event.timestamp),
        "text": match.snippet.text,
        "marks": [list(mark) for mark in match.snippet.marks],
    }
