"""
Conversations with a model that needs no network, and what is stored of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationEntry, ConversationStore
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from asm_async import Ports
from asm_async.integrations.pydantic_ai import AsmConversationStore
from asm_async.integrations.pydantic_ai.records import entry_from_json
from asm_async.values.maintenance import HealthIssue, HealthIssueKind


def answer(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
    """
    Ask for the weather once in a turn, then tell it.
    """
    parts = messages[-1].parts
    result = next((part for part in parts if isinstance(part, ToolReturnPart)), None)
    usage = RequestUsage(input_tokens=10, output_tokens=4)
    if result is None:
        call = ToolCallPart("weather", {"city": "Turin"})
        return ModelResponse(parts=[call], usage=usage)
    return ModelResponse(parts=[TextPart(f"It is {result.content}.")], usage=usage)


def weather_agent() -> Agent[None, str]:
    """
    Return an agent that tells the weather.
    """
    agent = Agent(FunctionModel(answer), system_prompt="Be brief.")

    @agent.tool_plain
    def weather(city: str) -> str:
        """
        Look at the weather of a city.
        """
        return f"sunny in {city}"

    return agent


async def ask(store: ConversationStore, conversation_id: str, question: str) -> str:
    """
    Carry out one turn of a conversation, which is begun if it is not there.
    """
    known = await store.load(conversation_id)
    conversation = known or Conversation(conversation_id=conversation_id)
    result = await weather_agent().run(question, conversation=conversation)
    await store.save(result, scope="anna")
    return result.output


def said(*texts: str) -> list[ModelMessage]:
    """
    Return messages that say this, the user's and the model's in turn.
    """
    return [
        ModelResponse(parts=[TextPart(text)])
        if number % 2
        else ModelRequest(parts=[UserPromptPart(text)])
        for number, text in enumerate(texts)
    ]


def texts_of(messages: Sequence[ModelMessage]) -> list[str]:
    """
    Return what messages say.
    """
    return [str(getattr(message.parts[0], "content", "")) for message in messages]


async def begin(
    store: ConversationStore, conversation_id: str, *texts: str
) -> Conversation:
    """
    Save a new conversation in which this was said.
    """
    conversation = Conversation(messages=said(*texts), conversation_id=conversation_id)
    await store.save(conversation)
    return conversation


async def originals(
    ports: Ports, store: AsmConversationStore, conversation_id: str
) -> list[ConversationEntry]:
    """
    Return the entries that the events of a conversation have with them.
    """
    session = await store.get_session(conversation_id)
    events = await ports.store.get_events(session.id)
    return [
        entry_from_json(event.data["original"])
        for event in events
        if "original" in event.data
    ]


async def damage(ports: Ports) -> list[HealthIssue]:
    """
    Return what a health check finds, but how the tests' server is set.
    """
    found = await ports.maintenance.health_check()
    weak = HealthIssueKind.WEAK_DURABILITY
    return [issue for issue in found if issue.kind is not weak]
