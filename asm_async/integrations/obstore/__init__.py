"""
Artifacts in object stores: S3, Google Cloud Storage, Azure (the extra ``obstore``).
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("obstore") is None:
    raise MissingDependencyError("obstore", "obstore")

from asm_async.integrations.obstore.artifact_store import ObjectArtifactStore

__all__ = ["ObjectArtifactStore"]
