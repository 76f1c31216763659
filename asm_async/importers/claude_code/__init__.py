"""
Session files of Claude Code.
"""

from asm_async.importers.claude_code.importer import ClaudeCodeImporter

__all__ = ["ClaudeCodeImporter"]
