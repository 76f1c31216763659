"""
The adapters that keep things in files; they know no database.
"""

from asm_async.files.artifact_store import LocalArtifactStore

__all__ = ["LocalArtifactStore"]
