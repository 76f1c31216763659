"""
Lists of messages in the forms of OpenAI's interfaces, which many programs write.
"""

from asm_async.importers.message_lists.importer import MessageListImporter

__all__ = ["MessageListImporter"]
