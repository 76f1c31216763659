"""
Items as the SDK adds them, and an agent whose model says what it is told to.
"""

from __future__ import annotations

from typing import Any

from agents import Agent, Usage, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call
from openai.types.responses.response_usage import (
    InputTokensDetails,
    OutputTokensDetails,
)

from asm_async.integrations.openai_agents import AsmSession

UntypedSession: Any = AsmSession
"""
Our session, for tests: to the SDK an item is one of thirty types of dictionary.
"""

USER: dict[str, Any] = {"role": "user", "content": "How is the weather in Paris?"}
CALL: dict[str, Any] = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "look_up",
    "arguments": '{"city": "Paris"}',
    "status": "completed",
}
OUTPUT: dict[str, Any] = {
    "type": "function_call_output",
    "call_id": "call_1",
    "output": "sunny",
}
REASONING: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": []}
ANSWER: dict[str, Any] = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "It is sunny.", "annotations": []}],
}
CONVERSATION: list[Any] = [USER, REASONING, CALL, OUTPUT, ANSWER]


def numbered(count: int, *, first: int = 0) -> list[Any]:
    """
    Return messages of a user that can be told apart.
    """
    return [{"role": "user", "content": str(first + i)} for i in range(count)]


def weather_agent() -> Agent[None]:
    """
    Return an agent that looks something up, and then answers.
    """
    set_tracing_disabled(disabled=True)
    model = ScriptedModel(
        [
            [function_call("look_up", {"city": "Paris"}, call_id="call_1")],
            [assistant_message("It is sunny.")],
        ]
    )
    model.set_default_usage(
        Usage(
            requests=1,
            input_tokens=10,
            output_tokens=5,
            total_tokens=15,
            input_tokens_details=InputTokensDetails(
                cached_tokens=4, cache_write_tokens=0
            ),
            output_tokens_details=OutputTokensDetails(reasoning_tokens=2),
        )
    )

    @function_tool
    def look_up(city: str) -> str:
        """
        Look up the weather.
        """
        return f"sunny in {city}"

    return Agent(name="weather", model=model, tools=[look_up])
