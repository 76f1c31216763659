"""
Histories at random, beside the framework's own in memory.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from agent_framework import InMemoryHistoryProvider, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async.conventions import shape_warnings
from asm_async.integrations.agent_framework import AsmHistoryProvider
from asm_async.portal import Portal
from asm_async.transcripts import read_transcript
from tests.frameworks.agent_framework.framework_values import messages

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

saves = st.tuples(
    st.sampled_from(["one", "two/\0ü", None]),
    st.lists(messages, max_size=3),
    # How much of the history's end stands before the messages, as in a replay.
    st.sampled_from([0, 0, 1, 2, 99]),
)


def written(found: list[Message]) -> list[dict[str, Any]]:
    """
    Return messages in the form in which they can be compared.
    """
    return [message.to_dict() for message in found]


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(saves, max_size=6), skip_excluded=st.booleans())
def test_a_history_is_as_theirs_in_memory(
    portal: Portal, script: list[Any], *, skip_excluded: bool
) -> None:
    """
    Whatever is saved, and replayed, what is read is equal to what theirs returns.
    """

    async def perform() -> None:
        ours = AsmHistoryProvider(
            portal.ports, source_id=uuid.uuid4().hex, skip_excluded=skip_excluded
        )
        theirs = InMemoryHistoryProvider(skip_excluded=skip_excluded)
        states: dict[str | None, dict[str, Any]] = {}
        for name, new, replayed in script:
            state = states.setdefault(name, {})
            known = state.get("messages", [])[-replayed:] if replayed else []
            batch = [Message.from_dict(each.to_dict()) for each in (*known, *new)]
            await theirs.save_messages(name, batch, state=state)
            await ours.save_messages(name, batch)

            for each, of_theirs in states.items():
                expected = await theirs.get_messages(each, state=of_theirs)
                assert written(await ours.get_messages(each)) == written(expected)
        await check_readers(portal, [ours.session_id_of(name) for name in states])

    asyncio.run(perform())


async def check_readers(portal: Portal, session_ids: list[str]) -> None:
    """
    Prove that all events have the conventions' layout, and can be told as a transcript.
    """
    for session_id in session_ids:
        events = await portal.ports.store.get_events(session_id)
        assert [warning for e in events for warning in shape_warnings(e)] == []
        transcript = await read_transcript(portal.ports.store, session_id)
        transcript.to_openai()
        transcript.to_anthropic()
