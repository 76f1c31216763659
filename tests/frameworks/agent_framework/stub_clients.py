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
)

MODEL = "gpt-4o"


class StubClient(
    FunctionInvocationLayer[Any], ChatMiddlewareLayer[Any], BaseChatClient[Any]
):
    """
    Returns one response after the other, and remembers what it was asked.
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
        contents = self.script.pop(0)
        if stream:
            return ResponseStream(
                _updates(contents), finalizer=ChatResponse.from_updates
            )
        return _response(contents)


async def _response(contents: Sequence[Content | str]) -> ChatResponse:
    return ChatResponse(
        messages=[Message("assistant", contents)],
        model=MODEL,
        usage_details={"input_token_count": 10, "output_token_count": 3},
    )


async def _updates(
    contents: Sequence[Content | str],
) -> AsyncIterator[ChatResponseUpdate]:
    for content in contents:
        part = Content.from_text(content) if isinstance(content, str) else content
        yield ChatResponseUpdate(contents=[part], role="assistant", model=MODEL)
    usage = Content.from_usage({"input_token_count": 10, "output_token_count": 3})
    yield ChatResponseUpdate(contents=[usage], role="assistant", model=MODEL)
