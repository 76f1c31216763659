"""
The places for contents that the contract suite of artifact stores runs over.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import attrs
import obstore
from obstore.store import ObjectStore

from asm_async.files import LocalArtifactStore
from asm_async.integrations.obstore import ObjectArtifactStore
from asm_async.integrations.obstore.requests import listed
from asm_async.memory import InMemoryArtifactStore
from asm_async.ports.artifact_store import ArtifactStore

__all__ = [
    "InMemoryArtifactPlace",
    "LocalArtifactPlace",
    "ObjectArtifactPlace",
    "files_in",
    "open_files",
]


def files_in(directory: Path) -> list[Path]:
    """
    Return everything in a directory and beneath it that is no directory.
    """
    return sorted(path for path in directory.rglob("*") if not path.is_dir())


def open_files(directory: Path) -> list[str]:
    """
    Return what this process holds open in a directory.
    """
    if not Path("/proc/self/fd").exists():
        return []
    targets = (_target(path) for path in Path("/proc/self/fd").iterdir())
    return [target for target in targets if target.startswith(f"{directory}/")]


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:
        return ""


class InMemoryArtifactPlace:
    """
    One store, since nothing of it is outside of itself.
    """

    def __init__(self) -> None:
        self._store = InMemoryArtifactStore()

    async def open_artifact_store(self) -> ArtifactStore:
        """
        Return the one store there is.
        """
        return self._store

    async def checksum_of(self, content: bytes) -> str:
        """
        Return the digest of a content.
        """
        return hashlib.sha256(content).hexdigest()

    async def damage(self, checksum_sha256: str, content: bytes) -> None:
        """
        Put other bytes in the place of a content that is there.
        """
        kept = self._store._kept
        kept[checksum_sha256] = attrs.evolve(kept[checksum_sha256], content=content)

    async def leftovers(self) -> int:
        """
        Find nothing.
        """
        return 0


class LocalArtifactPlace:
    """
    A directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def open_artifact_store(self) -> ArtifactStore:
        """
        Open another store on the directory.
        """
        return LocalArtifactStore(self._directory)

    async def checksum_of(self, content: bytes) -> str:
        """
        Return the digest of a content.
        """
        return hashlib.sha256(content).hexdigest()

    async def damage(self, checksum_sha256: str, content: bytes) -> None:
        """
        Put other bytes in the place of a content, and leave its age.
        """
        path = self._directory / checksum_sha256[:2] / checksum_sha256
        before = path.stat()
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    async def leftovers(self) -> int:
        """
        Count temporary files, and descriptors of this process.
        """
        held = open_files(self._directory)
        return len(files_in(self._directory / "tmp")) + len(held)


class ObjectArtifactPlace:
    """
    A bucket, or what obstore has in its place.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    async def open_artifact_store(self) -> ArtifactStore:
        """
        Open another store on the bucket.
        """
        return ObjectArtifactStore(self.store, timeout=10.0)

    async def checksum_of(self, content: bytes) -> str:
        """
        Return the digest of a content.
        """
        return hashlib.sha256(content).hexdigest()

    async def damage(self, checksum_sha256: str, content: bytes) -> None:
        """
        Put other bytes in the place of a content.
        """
        for path in await self._paths(f"artifacts/contents/{checksum_sha256}"):
            await obstore.put_async(self.store, path, content)

    async def leftovers(self) -> int:
        """
        Count the uploads that are there.
        """
        return len(await self._paths("artifacts/uploads"))

    async def _paths(self, prefix: str) -> list[str]:
        found = listed(self.store, f"{prefix}/", timeout=10.0)
        return [meta["path"] async for meta in found]
