"""
The artifact store over an object store.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import cast, get_args

import obstore
from obstore.store import ObjectStore

from asm_async.errors import (
    ArtifactDamagedError,
    ArtifactNotFoundError,
    StorageError,
    ValidationError,
)
from asm_async.files.threads import in_thread
from asm_async.fronts.artifact_store import ArtifactStoreFront, ChecksumFilter
from asm_async.integrations.obstore.generations import Generation, Generations
from asm_async.integrations.obstore.requests import request
from asm_async.integrations.obstore.uploads import BLOCK_BYTES, Uploads, blocks_of
from asm_async.ports.artifact_store import GRACE_PERIOD
from asm_async.values import fields
from asm_async.values.artifact import ArtifactContent, sha256_checksum

# How often a content is looked for again that was replaced before it could be opened.
_MAX_LOOKS = 8


class ObjectArtifactStore(ArtifactStoreFront):
    """
    An :class:`~asm_async.ports.ArtifactStore` in S3, Google Cloud Storage or Azure.

    Each put writes an object of its own below ``contents/CHECKSUM/`` and then deletes
    the older ones of this checksum. So a put is always of a whole and young content,
    whatever was there, and a deletion removes only the objects that it found old. The
    store needs strong consistency, which these three have, and no conditional writes.

    A content in pieces of more than 8 MiB is uploaded in parts below ``uploads/``,
    since its checksum is known at the end only, and then copied to its place by the
    object store. S3 copies at most 5 GiB in one request.

    A killed process may leave an upload, which :meth:`remove_leftovers` deletes after a
    day, and on S3 its parts, for which the bucket needs a lifecycle rule
    (``AbortIncompleteMultipartUpload``).

    Args:
        store: From ``obstore.store``, such as ``S3Store(bucket, region=...)``, with the
            credentials, retries and timeouts of its client.

        prefix: What the names of all objects begin with. Empty is allowed.

        timeout: How long, in seconds, one request may take with its retries; uploads
            may last longer, as long as they advance.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(
        self, store: ObjectStore, *, prefix: str = "artifacts", timeout: float = 30.0
    ) -> None:
        names = fields.instance(prefix, "prefix", str).strip("/")
        root = f"{names}/" if names else ""
        self._store = _object_store(store)
        self._timeout = fields.amount(timeout, "timeout")
        self._generations = Generations(store, f"{root}contents/", self._timeout)
        self._uploads = Uploads(store, self._timeout)
        self._upload_root = f"{root}uploads/"

    async def presigned_url(
        self, checksum_sha256: str, *, expires_in: timedelta = timedelta(hours=1)
    ) -> str:
        """
        Return a URL by which anybody may read a content until it expires.

        The reader gets the object as it is: compare it with the checksum. A later put
        of the same content ends the URL early.

        Args:
            checksum_sha256: Which content.

            expires_in: How long it serves; S3 allows at most seven days.

        Raises:
            ArtifactNotFoundError: If there is none of this checksum.

            UnsupportedOperationError: If the object store signs no URLs.

            ValidationError: Naming the argument that is wrong.
        """
        checksum = sha256_checksum(checksum_sha256, "checksum_sha256")
        lasting = fields.instance(expires_in, "expires_in", timedelta)
        if lasting <= timedelta():
            raise ValidationError(f"expires_in: expected a time to come, got {lasting}")
        return await self._generations.signed(await self._newest(checksum), lasting)

    async def remove_leftovers(self) -> int:
        """
        Delete uploads that no process has finished within a day.
        """
        return await self._uploads.remove(
            self._upload_root, datetime.now(UTC) - GRACE_PERIOD
        )

    async def _put(self, content: bytes | AsyncGenerator[bytes]) -> ArtifactContent:
        if isinstance(content, bytes):
            return await self._put_whole(content)
        async with aclosing(content) as pieces, aclosing(blocks_of(pieces)) as blocks:
            first = await anext(blocks, b"")
            if len(first) < BLOCK_BYTES:
                return await self._put_whole(first)
            return await self._put_blocks(first, blocks)

    async def _put_whole(self, content: bytes) -> ArtifactContent:
        digest = await in_thread(hashlib.sha256, content)
        checksum = digest.hexdigest()
        own = self._generations.new(checksum)
        await self._uploads.put(own.path, content)
        await self._generations.remove_older(own)
        return _described(own, len(content))

    async def _put_blocks(
        self, first: bytes, rest: AsyncGenerator[bytes]
    ) -> ArtifactContent:
        path = f"{self._upload_root}{time_ns():x}-{secrets.token_hex(8)}"
        checksum, size = await self._uploads.put_blocks(path, first, rest)
        own = self._generations.new(checksum)
        try:
            async with request(self._timeout):
                await obstore.copy_async(self._store, path, own.path)
        except BaseException as error:
            await self._uploads.discard(path, error)
            raise
        await self._uploads.discard(path)
        await self._generations.remove_older(own)
        return _described(own, size)

    async def _stream(self, checksum: str) -> AsyncGenerator[bytes]:
        """
        Yield a content in pieces of about 1 MiB; it may be deleted meanwhile.
        """
        opened = await self._open(checksum)
        held, digest = b"", hashlib.sha256()
        pieces = aiter(opened.stream(min_chunk_size=1 << 20))
        while True:
            async with request(self._timeout):
                piece = await anext(pieces, None)
            if piece is None:
                break
            block = bytes(piece)
            digest.update(block)
            if held:
                yield held
            held = block
        if digest.hexdigest() != checksum:
            raise ArtifactDamagedError(f"content {checksum} is not what was put")
        if held:
            yield held

    async def _open(self, checksum: str) -> obstore.GetResult:
        for _ in range(_MAX_LOOKS):
            newest = await self._newest(checksum)
            # A put may have replaced it meanwhile, or a deletion have removed it.
            async with request(self._timeout):
                with suppress(FileNotFoundError):
                    return await obstore.get_async(self._store, newest.path)
        raise StorageError(f"content {checksum} is replaced faster than it is read")

    async def _newest(self, checksum: str) -> Generation:
        found = await self._generations.of(checksum)
        if not found:
            raise ArtifactNotFoundError(checksum)
        return max(found)

    async def _delete(self, checksum: str, last_put_before: datetime | None) -> bool:
        found = await self._generations.of(checksum)
        if not all(each.is_older(last_put_before) for each in found):
            return False
        await self._generations.remove(found)
        return bool(found)

    async def _list_checksums(self, wanted: ChecksumFilter) -> list[str]:
        return await self._generations.checksums(wanted)


def _object_store(value: object) -> ObjectStore:
    for kind in get_args(ObjectStore):
        if isinstance(value, kind):
            return cast("ObjectStore", value)
    raise fields.unexpected("store", "an object store of obstore.store", value)


def _described(own: Generation, size: int) -> ArtifactContent:
    return ArtifactContent(
        byte_size=size,
        checksum_sha256=own.checksum,
        storage_backend="object",
        storage_ref=own.checksum,
    )
