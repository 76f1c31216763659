"""
What belongs together: a model's message, the calls that it makes and their results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import attrs

from asm_async.conventions import Role
from asm_async.transcripts.message import Message, are_joined

CALL_INTERRUPTED = (
    "[interrupted] The call has no result: what made it ended before there was one."
)
"""
The text for a model as the result of a call without one.
"""


@attrs.frozen
class Unit:
    """
    One message, or the assistant's with its calls and their results.
    """

    messages: tuple[Message, ...]
    """
    All of it, in order.
    """

    @property
    def said(self) -> tuple[Message, ...]:
        """
        What is neither call nor result.
        """
        return tuple(
            each for each in self.messages if not (each.is_call or each.is_result)
        )

    @property
    def calls(self) -> tuple[Message, ...]:
        """
        The calls.
        """
        return tuple(each for each in self.messages if each.is_call)

    @property
    def results(self) -> tuple[Message, ...]:
        """
        The results, and behind them one for each call that has none.
        """
        results = [each for each in self.messages if each.is_result]
        answered = Counter(each.tool_call_id for each in results)
        for call in self.calls:
            if not answered[call.tool_call_id]:
                results.append(_interrupted(call))
            answered[call.tool_call_id] -= 1
        return tuple(results)


def units_of(messages: Iterable[Message]) -> list[Unit]:
    """
    Group *messages* so that nothing that a provider demands together is parted.
    """
    groups: list[list[Message]] = []
    for message in messages:
        if groups and _belongs(message, groups[-1][-1]):
            groups[-1].append(message)
        else:
            groups.append([message])
    return [Unit(tuple(group)) for group in groups]


def _belongs(message: Message, previous: Message) -> bool:
    if message.is_result:
        return previous.is_call or previous.is_result
    if previous.is_result or not are_joined(previous, message):
        return False
    if message.is_call:
        return previous.is_call or previous.is_speech
    # What a provider puts before a message, such as its reasoning, has no text itself.
    return message.is_speech and previous.is_speech and previous.content is None


def _interrupted(call: Message) -> Message:
    return Message(
        role=Role.TOOL,
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        tool_output=CALL_INTERRUPTED,
        is_error=True,
    )
