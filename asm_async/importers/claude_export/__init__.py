"""
Data exports of Claude, the assistant at claude.ai.
"""

from asm_async.importers.claude_export.importer import ClaudeExportImporter

__all__ = ["ClaudeExportImporter"]
