"""
The messages of a transcript, or the latest of them, for a model to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import TypeAlias

import attrs

from asm_async.conventions import Role
from asm_async.transcripts.anthropic import to_anthropic
from asm_async.transcripts.chat_completions import to_openai
from asm_async.transcripts.message import Message
from asm_async.transcripts.outputs import input_text, output_text
from asm_async.transcripts.parts import text_of
from asm_async.transcripts.provider_messages import ProviderMessages
from asm_async.transcripts.responses import to_responses
from asm_async.transcripts.units import units_of
from asm_async.values import fields

TOKENS_PER_PART = 1_600
"""
What a part that is no text counts as: about the largest image that models are shown.
"""

CountTokens: TypeAlias = Callable[[str], int]
"""
Returns how many tokens a text takes.
"""


@attrs.frozen(kw_only=True)
class Excerpt:
    """
    The last messages of a transcript, after its first system messages.
    """

    messages: tuple[Message, ...]
    """
    The messages, in order: leading ones of the system, and the latest.
    """

    cut_messages: int = 0
    """
    How many messages in between are not in it.
    """

    is_over_budget: bool = False
    """
    Whether it is more than was asked for, since the newest whole unit alone is.
    """

    def to_openai(self) -> ProviderMessages:
        """
        Return the messages as OpenAI's Chat Completions and its likes take them.

        A call without a result has one that says so; parallel calls are one message.
        """
        return to_openai(self.messages)

    def to_responses(self) -> ProviderMessages:
        """
        Return the messages as items of OpenAI's Responses interface.

        A call without a result has one that says so.
        """
        return to_responses(self.messages)

    def to_anthropic(self) -> ProviderMessages:
        """
        Return the messages as Anthropic takes them, and *system* beside them.

        A call without a result has one that says so, marked as an error, as have those
        that failed; parallel calls and their results are two messages.
        """
        return to_anthropic(self.messages)


def estimate_tokens(text: str) -> int:
    """
    Return a token for every four characters, rounded up.
    """
    return -(-len(text) // 4)


def last_of(
    messages: Sequence[Message],
    *,
    max_messages: int | None,
    max_tokens: int | None,
    count_tokens: CountTokens,
) -> Excerpt:
    """
    Cut *messages* at the beginning, between units; see ``Transcript.last``.
    """
    most_messages = fields.optional(max_messages, "max_messages", fields.positive_count)
    most_tokens = fields.optional(max_tokens, "max_tokens", fields.positive_count)
    fields.function(count_tokens, "count_tokens")
    head = tuple(takewhile(_is_rule, messages))
    size = tokens = 0
    kept: list[tuple[Message, ...]] = []

    def goes_over(more: Sequence[Message]) -> bool:
        nonlocal size, tokens
        size += len(more)
        if most_tokens is not None:
            tokens += sum(_tokens_of(more, count_tokens))
        has_too_many = most_messages is not None and size > most_messages
        return has_too_many or (most_tokens is not None and tokens > most_tokens)

    is_over_budget = goes_over(head)
    for unit in reversed(units_of(messages[len(head) :])):
        goes_over_now = goes_over(unit.messages)
        if goes_over_now and kept:
            break
        kept.append(unit.messages)
        is_over_budget = goes_over_now
    last = tuple(message for unit in reversed(kept) for message in unit)
    return Excerpt(
        messages=head + last,
        cut_messages=len(messages) - len(head) - len(last),
        is_over_budget=is_over_budget,
    )


def _is_rule(message: Message) -> bool:
    return message.role in {Role.SYSTEM, Role.DEVELOPER}


def _tokens_of(messages: Iterable[Message], count_tokens: CountTokens) -> Iterator[int]:
    for message in messages:
        for text in _texts_of(message):
            counted = TOKENS_PER_PART if text is None else count_tokens(text)
            yield fields.count(counted, "count_tokens(...)")


def _texts_of(message: Message) -> Iterator[str | None]:
    """
    Yield each text that a model is told with a message, and None for each other part.
    """
    if message.is_call:
        yield f"{message.tool_name} {input_text(message)}"
        return
    said = output_text(message) if message.is_result else message.content
    if said is None or isinstance(said, str):
        yield said or ""
    else:
        yield from map(text_of, said)
