"""
The databases of Google ADK.
"""

from asm_async.importers.google_adk.importer import GoogleADKImporter

__all__ = ["GoogleADKImporter"]
