"""
The databases of the OpenAI Agents SDK.
"""

from asm_async.importers.openai_agents.importer import OpenAIAgentsImporter

__all__ = ["OpenAIAgentsImporter"]
