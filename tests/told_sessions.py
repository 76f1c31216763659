"""
Events of sessions in which something is said, for tests of transcripts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asm_async import Event, conventions
from asm_async.values.event import EVENTS_RETRACTED
from asm_async.values.retraction import (
    RETRACTIONS,
    check_retraction,
    merged,
    retraction_data,
)

SESSION = "ses_told"
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLE = Path(__file__).parents[1] / "examples" / "data" / "conversations.json"


class Log:
    """
    Makes the events of one session, and numbers them.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, build: Callable[..., Event], **members: Any) -> Event:
        """
        Add what a builder of the conventions makes.
        """
        number = len(self.events) + 1
        made = build(
            session_id=SESSION, id=f"evt_{number}", timestamp=MOMENT, **members
        )
        self.events.append(made.with_given(number))
        return self.events[-1]

    def user(self, content: Any, **members: Any) -> None:
        """
        Have the user say something.
        """
        self.add(conventions.message_sent, content=content, **members)

    def agent(self, content: Any, **members: Any) -> None:
        """
        Have the agent say something.
        """
        self.add(conventions.message_received, content=content, **members)

    def stream(self, *deltas: str, **members: Any) -> None:
        """
        Have the agent say something in pieces.
        """
        for delta in deltas:
            self.add(conventions.message_streamed, delta=delta, **members)

    def tool(self, build: Callable[..., Event], call_id: str, **members: Any) -> None:
        """
        Have something happen to a call of the tool ``look_up``.
        """
        self.add(build, tool_call_id=call_id, tool_name="look_up", **members)

    def start(self, call_id: str, **members: Any) -> None:
        """
        Start a call.
        """
        self.tool(conventions.tool_call_started, call_id, **members)

    def complete(self, call_id: str, output: Any = "found", **members: Any) -> None:
        """
        Complete a call.
        """
        build = conventions.tool_call_completed
        self.tool(build, call_id, tool_output=output, **members)

    def retract(self, *ranges: tuple[int, int]) -> None:
        """
        Hide these ranges, all there are, as a store does.
        """
        number = len(self.events) + 1
        retraction = Event(
            id=f"evt_{number}",
            type=EVENTS_RETRACTED,
            timestamp=MOMENT,
            session_id=SESSION,
            sequence_number=number,
            data=retraction_data(*ranges[-1], merged(ranges)),
            correlation_id=RETRACTIONS,
        )
        check_retraction(retraction)
        self.events.append(retraction)


def conversations() -> list[list[dict[str, Any]]]:
    """
    Return the messages of each conversation of the examples.

    Where ``ASM_CONVERSATIONS`` names another such file, those of that file as well.
    """
    paths = [SAMPLE]
    if more := os.environ.get("ASM_CONVERSATIONS"):
        paths.append(Path(more))
    found = [each for path in paths for each in json.loads(path.read_bytes())]
    return [each.get("traj") or each["messages"] for each in found]


def check_chat_completions(messages: Iterable[dict[str, Any]]) -> None:
    """
    Assert what Chat Completions demand: results right behind their calls, one each.
    """
    expected: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in expected
            expected.remove(message["tool_call_id"])
        else:
            assert expected == []
            expected = [call["id"] for call in message.get("tool_calls", [])]
    assert expected == []


def check_anthropic(messages: Sequence[dict[str, Any]]) -> None:
    """
    Assert what Anthropic demands: all results in the message behind that of the calls.
    """
    expected: list[str] = []
    for message in messages:
        content: Any = message["content"]
        blocks: list[dict[str, Any]] = [] if isinstance(content, str) else content
        results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        assert sorted(results) == sorted(expected)
        assert content
        expected = [b["id"] for b in blocks if b["type"] == "tool_use"]
    assert expected == []
