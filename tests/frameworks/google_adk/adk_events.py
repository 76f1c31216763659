"""
Events of ADK for tests: of each kind that runners write, and any of them at random.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.genai import types

VALUES: tuple[Any, ...] = (
    None,
    True,
    "text",
    "NUL \0 and snow \N{SNOWMAN}",
    0,
    2**70,
    -1.5e-300,
    [],
    {"nested": {"list": [1, {"two": None}]}},
)
KEYS = (
    "topic",
    "app:topic",
    "user:topic",
    "temp:topic",
    "a/b",
    "asm.session",
    "",
    "user:",
    "k" * 1_100,
    "app:NUL \0",
    "snow \N{SNOWMAN}",
)


def said(
    text: str, *, author: str = "user", invocation_id: str = "e-1", **more: Any
) -> Event:
    """
    Return the event of a message; that of an agent has a model's role.
    """
    role = "user" if author == "user" else "model"
    content = types.Content(role=role, parts=[types.Part(text=text)])
    return Event(author=author, invocation_id=invocation_id, content=content, **more)


def called(*calls: str, text: str | None = None, **more: Any) -> Event:
    """
    Return the event of a model's calls of tools, by their ids.
    """
    parts = [types.Part(text=text)] if text else []
    parts += [
        types.Part(
            function_call=types.FunctionCall(
                id=call, name="weather", args={"city": call}
            )
        )
        for call in calls
    ]
    content = types.Content(role="model", parts=parts)
    return Event(author="agent", invocation_id="e-1", content=content, **more)


def answered(*calls: str, response: dict[str, Any] | None = None) -> Event:
    """
    Return the event of the results of tools, by the ids of their calls.
    """
    parts = [
        types.Part(
            function_response=types.FunctionResponse(
                id=call, name="weather", response=response or {"degrees": 20}
            )
        )
        for call in calls
    ]
    content = types.Content(role="user", parts=parts)
    return Event(author="agent", invocation_id="e-1", content=content)


def changed(state: Mapping[str, Any], **more: Any) -> Event:
    """
    Return an event that changes state, and says nothing.
    """
    actions = EventActions(state_delta=dict(state))
    return Event(author="agent", invocation_id="e-1", actions=actions, **more)


def usage(read: int, written: int) -> types.GenerateContentResponseUsageMetadata:
    """
    Return what Gemini reports of one request.
    """
    return types.GenerateContentResponseUsageMetadata(
        prompt_token_count=read,
        candidates_token_count=written,
        total_token_count=read + written,
    )


def random_state(draw: random.Random) -> dict[str, Any]:
    """
    Return a state of some keys, of all scopes, with any values.
    """
    keys = draw.sample(KEYS, draw.randint(0, 4))
    return {key: draw.choice(VALUES) for key in keys}


def random_event(draw: random.Random, timestamp: float) -> Event:
    """
    Return an event of any kind.
    """
    call = f"call-{draw.randint(1, 9)}"
    blob = types.Part.from_bytes(data=b"\x00\xff", mime_type="image/png")
    event = draw.choice(
        [
            said("hello"),
            said("hi", author="agent", usage_metadata=usage(3, 4)),
            called(call, f"{call}-b", text="let me see"),
            answered(call),
            answered(call, response={"error": "no such city"}),
            changed({}),
            Event(author="user", content=types.Content(role="user", parts=[blob])),
            Event(author="agent", error_code="SAFETY", error_message="no"),
            Event(author="agent", branch="root.agent", turn_complete=True),
            said("par", author="agent", partial=True),
        ]
    )
    event.timestamp = timestamp
    event.actions.state_delta = random_state(draw)
    return event
