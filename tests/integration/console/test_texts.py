"""
Finding what was said, for the page's search.
"""

from __future__ import annotations

from asm_async.testing.factories import make_event, make_session
from tests.integration.console.serving import Console


async def test_what_was_said_is_found_with_its_place(console: Console) -> None:
    """
    Each match has its session's title, its number, who said it, and its words.
    """
    store, search = console.ports.store, console.ports.text_search
    assert search is not None
    before = await console.get("texts", q="luggage")
    metadata = {"title": "A trip"}
    await store.save_session(make_session(user_id="kim", metadata=metadata))
    await store.append_event(make_event(data={"content": "Your luggage is here."}))
    await search.update()

    found = await console.get("texts", q="luggage", limit=1)
    others = await console.get("texts", q="luggage", user_id="lee")
    title = await console.get("texts", q="trip")

    assert before == {"items": [], "cursor": None, "is_indexed": False}
    assert found == {
        "items": [
            {
                "session_id": "ses_1",
                "title": "A trip",
                "sequence": 1,
                "type": "message_received",
                "speaker": "assistant",
                "time": "2026-01-02T12:00:00.000000+00:00",
                "text": "Your luggage is here.",
                "marks": [[5, 12]],
            }
        ],
        "cursor": None,
        "is_indexed": True,
    }
    assert others["items"] == []
    assert title["items"][0]["sequence"] is None
