"""
Messages in the form of a provider, and what has no place in that form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asm_async.transcripts.message import Message


class ProviderMessages(list[dict[str, Any]]):
    """
    A list of messages, as plain dicts, in the form of a provider.

    It is the caller's own: changing it changes nothing else.
    """

    system: str | list[dict[str, Any]]
    """
    The system prompt, if it is not one of the messages (Anthropic).
    """

    left_out: tuple[str, ...]
    """
    The parts that the form cannot express, a text for each; each names its message by
    index.
    """

    def __init__(
        self,
        messages: Iterable[dict[str, Any]] = (),
        *,
        system: str | list[dict[str, Any]] = "",
        left_out: Iterable[str] = (),
    ) -> None:
        super().__init__(messages)
        self.system = system
        self.left_out = tuple(left_out)


class LeftOut:
    """
    Collects what a form has no place for.
    """

    def __init__(self, messages: Iterable[Message]) -> None:
        self._places = {id(message): i for i, message in enumerate(messages)}
        self.texts: list[str] = []

    def add(self, message: Message, what: str) -> None:
        """
        Note that *what* is left out of a message.
        """
        self.texts.append(f"messages[{self._places.get(id(message), '?')}]: {what}")

    def data_for(self, message: Message, provider: str) -> dict[str, Any]:
        """
        Return what a message has of one provider; what it has of others is left out.
        """
        for other, members in message.provider_data.items():
            if other == provider:
                continue
            for name, value in members.items():
                # The name of a result's tool is that of its call.
                if value not in (None, "", [], {}, message.tool_name):
                    self.add(message, f"{name!r} of {other} has no place here")
        own: dict[str, Any] = message.provider_data.get(provider, {})
        return own
