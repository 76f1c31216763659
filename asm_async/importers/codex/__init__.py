"""
Rollouts of Codex: the lines that it writes of each thread.
"""

from asm_async.importers.codex.importer import CodexImporter

__all__ = ["CodexImporter"]
