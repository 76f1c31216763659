"""
Transcripts of sessions as stores hold them.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from asm_async import SessionStore, conventions, errors
from asm_async.testing.factories import make_session
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.transcripts import (
    Message,
    events_from_anthropic,
    events_from_openai,
    events_from_responses,
    read_transcript,
    transcript_of,
    update_transcript,
)
from tests.told_sessions import check_anthropic, conversations

CONVERSATIONS = conversations()


def essence(message: Message) -> tuple[Any, ...]:
    """
    Return what a message says in any form; a single text may be a part or none.
    """
    content: Any = message.content
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        content = "".join(part["text"] for part in parts)
    said = (message.tool_call_id, message.tool_input, message.tool_output)
    return message.role, content, message.tool_name, *said


class TestTranscripts(SessionStoreContract):
    """
    What was said comes back from every store.
    """

    async def test_conversations_come_back_equal(self, store: SessionStore) -> None:
        """
        Messages go in, are read back, and are the same to the last argument.
        """

        async def check(number: int, messages: list[dict[str, Any]]) -> None:
            session = make_session(id=f"ses_{number}")
            await store.save_session(session)
            await store.append_events(
                events_from_openai(messages, session_id=session.id)
            )

            told = (await read_transcript(store, session.id)).to_openai()

            assert told == messages
            assert told.left_out == ()

        async with asyncio.TaskGroup() as tasks:
            for number, messages in enumerate(CONVERSATIONS):
                tasks.create_task(check(number, messages))

    async def test_a_transcript_is_read_and_updated_in_pages(
        self, store: SessionStore
    ) -> None:
        """
        However small the pages are, and though a session goes on between two readings.
        """
        session = await store.save_session(make_session())
        build = conventions.message_sent
        events = [build(session_id=session.id, content=str(n)) for n in range(10)]
        stored = await store.append_events(events[:7])

        begun = await read_transcript(store, session.id, page_size=3)
        stored += await store.append_events(events[7:])
        unnumbered = begun.with_events(events[7:8])
        whole = await update_transcript(store, unnumbered, page_size=1)

        assert begun == transcript_of(stored[:7])
        assert whole == transcript_of(stored)
        assert [message.content for message in whole.messages] == [*"0123456789"]
        assert await update_transcript(store, whole) == whole

    async def test_what_is_retracted_meanwhile_is_not_said(
        self, store: SessionStore
    ) -> None:
        """
        A transcript that was read before a retraction is put right by its update.
        """
        session = await store.save_session(make_session())
        build = conventions.message_sent
        events = [build(session_id=session.id, content=str(n)) for n in range(5)]
        await store.append_events(events)
        begun = await read_transcript(store, session.id)
        other = build(session_id=session.id, content="other")

        await store.retract_events(session.id, first=2, last=4, replacement=[other])
        updated = await update_transcript(store, begun, page_size=1)

        assert [message.content for message in updated.messages] == ["0", "4", "other"]
        assert updated == await read_transcript(store, session.id)
        visible = await store.get_events(session.id, visible_only=True)
        assert updated.messages == transcript_of(visible).messages

    async def test_a_tenant_reads_its_own_transcripts(
        self, store: SessionStore
    ) -> None:
        """
        Another tenant's session is not found; an unknown one has said nothing.
        """
        session = await store.save_session(make_session(tenant_id="acme"))

        assert (await read_transcript(store, "ses_unknown")).messages == ()
        with pytest.raises(errors.SessionNotFoundError):
            await read_transcript(store, session.id, expected_tenant="other")
        with pytest.raises(errors.ValidationError, match="page_size: expected at"):
            await read_transcript(store, session.id, page_size=0)


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_each_form_that_can_hold_a_conversation_does(
    messages: list[dict[str, Any]],
) -> None:
    """
    Told as Responses or as Anthropic has it, and read again, it is the same.
    """
    told = transcript_of(events_from_openai(messages, session_id="s"))
    items, blocks = told.to_responses(), told.to_anthropic()
    check_anthropic(blocks)

    from_items = transcript_of(events_from_responses(items, session_id="s"))
    from_blocks = transcript_of(
        events_from_anthropic(blocks, session_id="s", system=blocks.system)
    )

    assert from_items.to_responses() == items
    assert from_blocks.to_anthropic() == blocks
    assert from_blocks.to_anthropic().system == blocks.system
    for other in (from_items, from_blocks):
        assert list(map(essence, other.messages)) == [
            essence(message)
            for message in told.messages
            # Anthropic has no empty texts.
            if other is from_items or message.content != ""
        ]
