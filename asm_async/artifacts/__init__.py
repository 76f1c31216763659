"""
Artifacts and their contents together: a registry and a store, in the right order.
"""

from asm_async.artifacts.copying import ContentCopier
from asm_async.artifacts.large_data import LargeDataCoder, large_data
from asm_async.artifacts.library import ArtifactLibrary
from asm_async.artifacts.unnamed_contents import remove_unnamed_contents
from asm_async.values.artifact import Artifact, ArtifactContent, ArtifactStats

__all__ = [
    "Artifact",
    "ArtifactContent",
    "ArtifactLibrary",
    "ArtifactStats",
    "ContentCopier",
    "LargeDataCoder",
    "large_data",
    "remove_unnamed_contents",
]
