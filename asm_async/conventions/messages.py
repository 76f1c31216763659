"""
Builders of the events of messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from asm_async.conventions.building import Content, EventOptions, build_event
from asm_async.conventions.layouts import Role
from asm_async.values.event import Event, EventType


def message_sent(
    *,
    session_id: str,
    content: Content,
    role: Role | str = Role.USER,
    message_id: str | None = None,
    provider_data: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a message that went to the model.

    Args:
        session_id: The session.

        content:
            Text, or a list of parts (text, images and others) in the form of the
            provider, each an object with a ``type``.

        role: The role of the author.

        message_id: The message's own id, if it has one.

        provider_data: What else a provider's message has, under the provider's name.

        options: What every event has.

    Raises:
        ValidationError: Naming what is wrong.
    """
    return build_event(
        EventType.MESSAGE_SENT,
        session_id,
        options,
        content=content,
        role=role,
        message_id=message_id,
        provider_data=provider_data,
    )


def message_received(
    *,
    session_id: str,
    content: Content | None,
    role: Role | str = Role.ASSISTANT,
    message_id: str | None = None,
    model: str | None = None,
    stop_reason: str | None = None,
    provider_data: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a message that came back from the model, whole.

    Tool calls of the message have events of their own, directly after this one.

    Args:
        session_id: The session.

        content: Text, or a list of parts; None if there is nothing but tool calls.

        role: The role of the author.

        message_id:
            The message's own id. Events with the same id are one message; those with
            another id are not, even if they follow directly.

        model: Which model it came from.

        stop_reason: Why the model stopped, in the provider's word.

        provider_data: What else a provider's message has, under the provider's name.

        options: What every event has.

    Raises:
        ValidationError: Naming what is wrong.
    """
    return build_event(
        EventType.MESSAGE_RECEIVED,
        session_id,
        options,
        content=content,
        role=role,
        message_id=message_id,
        model=model,
        stop_reason=stop_reason,
        provider_data=provider_data,
    )


def message_streamed(
    *,
    session_id: str,
    delta: str,
    message_id: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a piece of a message's text, as it came from the model.

    The whole message follows as ``message_received``; until then, and if it never does,
    the pieces of a run replace it.
    """
    return build_event(
        EventType.MESSAGE_STREAMED,
        session_id,
        options,
        delta=delta,
        message_id=message_id,
    )
