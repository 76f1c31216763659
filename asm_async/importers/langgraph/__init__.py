"""
The databases of LangGraph's savers.
"""

from asm_async.importers.langgraph.importer import LangGraphImporter

__all__ = ["LangGraphImporter"]
