"""
A chat client that answers from a script.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, ClassVar

from agent_framework import (
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
    UsageDetails,
)

MODEL = "gpt-4o"


class StubClient(
    FunctionInvocationLayer[Any], ChatMiddlewareLayer[Any], BaseChatClient[Any]
):
    """
    Returns one response after the other, and remembers what it was asked.

    It counts three tokens for each answer, and one for each character of what was asked
    last.
    """

    OTEL_PROVIDER_NAME: ClassVar[str] = "openai"

    def __init__(self, *script: Sequence[Content | str]) -> None:
        super().__init__()
        self.script = list(script)
        self.asked: list[list[str]] = []

    def _inner_get_response(
        self,
        *,
        messages: Sequence[Message],
        stream: bool,
        options: Mapping[str, Any],
        **kwargs: Any,
    ) -> Awaitable[ChatResponse] | ResponseStream[ChatResponseUpdate, ChatResponse]:
        del options, kwargs
        self.asked.append([message.text for message in messages])
        contents, asked = self.script.pop(0), len(messages[-1].text)
        usage: UsageDetails = {"input_token_count": asked, "output_token_count": 3}
        if stream:
            updates = _updates(contents, usage)
            return ResponseStream(updates, finalizer=ChatResponse.from_updates)
        return _response(contents, usage)


async def _response(
    contents: Sequence[Content | str], usage: UsageDetails
) -> ChatResponse:
    return ChatResponse(
        messages=[Message("assistant", contents)],
        model=MODEL,
        usage_details=usage,
    )


async def _updates(
    contents: Sequence[Content | str], usage: UsageDetails
) -> AsyncIterator[ChatResponseUpdate]:
    for content in contents:
        part = Content.from_text(content) if isinstance(content, str) else content
        yield ChatResponseUpdate(contents=[part], role="assistant", model=MODEL)
    counted = Content.from_usage(usage)
    yield ChatResponseUpdate(contents=[counted], role="assistant", model=MODEL)
