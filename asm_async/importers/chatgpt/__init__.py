"""
Data exports of ChatGPT.
"""

from asm_async.importers.chatgpt.importer import ChatGPTImporter

__all__ = ["ChatGPTImporter"]
