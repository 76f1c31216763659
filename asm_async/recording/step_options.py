"""
Options of the steps of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asm_async.conventions import EventOptions


class MessageOptions(EventOptions, total=False):
    """
    What else a message that was sent can have.
    """

    message_id: str | None
    """
    The message's own id.
    """

    provider_data: Mapping[str, Mapping[str, Any]] | None
    """
    What else a provider's message has, under the provider's name.
    """


class AnswerOptions(MessageOptions, total=False):
    """
    What else a message that was received can have.
    """

    model: str | None
    """
    Which model it came from.
    """

    stop_reason: str | None
    """
    Why the model stopped, in the provider's word.
    """


class CallOptions(EventOptions, total=False):
    """
    What else a tool call can have.
    """

    tool_input_text: str | None
    """
    The arguments to the letter, where that is not their JSON without spaces.
    """

    message_id: str | None
    """
    The id of the model's message that the call is part of.
    """

    provider_data: Mapping[str, Mapping[str, Any]] | None
    """
    What else a provider's call has, under the provider's name.
    """


class ResultOptions(EventOptions, total=False):
    """
    What else the result of a tool call can have.
    """

    tool_input: Mapping[str, Any] | str | None
    """
    The arguments once more; needed if no event has the start.
    """

    tool_input_text: str | None
    """
    The same, to the letter.
    """

    duration_ms: float | None
    """
    How long the call took, in milliseconds.
    """

    provider_data: Mapping[str, Mapping[str, Any]] | None
    """
    What else a provider's result has, under the provider's name.
    """
