"""
Sessions of the OpenAI Agents SDK in our store (the extra ``openai-agents``).

:class:`~asm_async.integrations.openai_agents.session.AsmSession` is what
``Runner.run(agent, input, session=...)`` takes.
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("agents") is None:
    raise MissingDependencyError("openai-agents", "openai-agents")

from asm_async.integrations.openai_agents.session import AsmSession, SessionOptions
from asm_async.integrations.records.openai_items import ITEM

__all__ = ["ITEM", "AsmSession", "SessionOptions"]
