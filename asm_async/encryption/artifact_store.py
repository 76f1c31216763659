"""
An artifact store that encrypts the contents it hands on.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.encryption.key_records import KeyRecord
from asm_async.encryption.key_ring import KeyRing
from asm_async.encryption.owners import KeyOwner
from asm_async.encryption.seals import SIV_BYTES, KeyId
from asm_async.errors import KeyDroppedError, TamperedError
from asm_async.fronts.artifact_store import ArtifactStoreFront, ChecksumFilter
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.values import fields
from asm_async.values.artifact import ArtifactContent

SEGMENT_BYTES = 1 << 16
"""
How many bytes of a content are encrypted together.
"""

_SEALED_BYTES = SIV_BYTES + 1 + SEGMENT_BYTES
_MORE, _LAST = b"\x00", b"\x01"
_HEADER = re.compile(rb"asm-content-v1 ([a-z2-7]{26})\.([1-9][0-9]{0,8})\n")
_MAX_HEADER_BYTES = 64
# What is no longer than this is put at once, so that a store can see whether it has it.
_MAX_WHOLE_BYTES = 1 << 20


class EncryptingArtifactStore(ArtifactStoreFront):
    """
    An :class:`~asm_async.ports.ArtifactStore` in front of another one.

    A content is encrypted in pieces of 64 KiB, in constant memory. Its checksum is that
    of what is stored, by which the store behind names and verifies it: it tells nobody
    who has the database or the store whether a content is one that he knows. The
    *byte_size* is that of the content.

    The same content has the same checksum under the same key, and is kept once.

    Args:
        store: Where the contents go.

        keys: The data keys.

        owner: Whose key encrypts what is put; that of all contents unless
            :meth:`for_session` names a session. Stored contents name their keys.

    Raises:
        ValidationError: If an argument is wrong.
    """

    def __init__(
        self, store: ArtifactStore, *, keys: KeyRing, owner: KeyOwner | None = None
    ) -> None:
        if not callable(getattr(store, "list_checksums", None)):
            raise fields.unexpected("store", "an ArtifactStore", store)
        self.behind: ArtifactStore = store
        """
        The store that it wraps.
        """
        self._keys = fields.instance(keys, "keys", KeyRing)
        self._owner = KeyOwner.contents() if owner is None else owner

    def for_session(self, session_id: str) -> EncryptingArtifactStore:
        """
        Return the same store, that encrypts by the key of a session.

        Then to erase the session erases the contents too, in copies of the store as
        well. The session has a key once it was saved through an encrypting store.
        """
        owner = KeyOwner.session(session_id)
        return EncryptingArtifactStore(self.behind, keys=self._keys, owner=owner)

    async def remove_leftovers(self) -> int:
        """
        Remove the leftovers of killed puts.
        """
        return await self.behind.remove_leftovers()

    async def _put(self, content: bytes | AsyncGenerator[bytes]) -> ArtifactContent:
        key_id, cipher = await self._key()
        encryption = _Encryption(cipher, key_id)
        if isinstance(content, bytes) and len(content) <= _MAX_WHOLE_BYTES:
            sealed = b"".join([each async for each in encryption.of(_whole(content))])
            stored = await self.behind.put(sealed)
        else:
            pieces = _whole(content) if isinstance(content, bytes) else content
            async with aclosing(encryption.of(pieces)) as encrypted:
                stored = await self.behind.put(encrypted)
        return attrs.evolve(stored, byte_size=encryption.byte_size)

    async def _key(self) -> tuple[KeyId, AESSIV]:
        record = await self._keys.find(self._owner)
        if record is None:
            record = await self._keys.begin(KeyRecord(owner=self._owner))
        covering = record.covering
        if covering != self._owner:
            record = await self._keys.find(covering) or record
        return await self._keys.to_encrypt(record)

    async def _stream(self, checksum: str) -> AsyncGenerator[bytes]:
        """
        Yield a content in pieces of 64 KiB; the last once the digest was found right.
        """
        decryption = _Decryption(self._keys, checksum)
        held = b""
        async with aclosing(self.behind.stream(checksum)) as pieces:
            async for piece in pieces:
                # After the first segment that is wrong the rest is only read, since
                # the store behind knows whether the content is damaged as a whole.
                async for segment in decryption.segments(piece):
                    if held:
                        yield held
                    held = segment
        last = await decryption.end()
        if held:
            yield held
        if last:
            yield last

    async def _delete(self, checksum: str, last_put_before: datetime | None) -> bool:
        return await self.behind.delete(checksum, last_put_before=last_put_before)

    async def _list_checksums(self, wanted: ChecksumFilter) -> list[str]:
        return await self.behind.list_checksums(**attrs.asdict(wanted, recurse=False))


async def _whole(content: bytes) -> AsyncGenerator[bytes]:
    yield content


@attrs.define
class _Encryption:
    """
    Encrypts one content.
    """

    cipher: AESSIV
    key_id: KeyId
    byte_size: int = 0

    async def of(self, pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """
        Yield the header, then segments, each bound to its place and the last marked.
        """
        header = f"asm-content-v1 {self.key_id}\n".encode()
        yield header
        waiting, index = bytearray(), 0
        async with aclosing(pieces):
            async for piece in pieces:
                self.byte_size += len(piece)
                waiting += piece
                # The last segment is marked, and which one is, is known by what comes.
                while len(waiting) > SEGMENT_BYTES:
                    segment = _MORE + waiting[:SEGMENT_BYTES]
                    del waiting[:SEGMENT_BYTES]
                    yield self.cipher.encrypt(segment, [header, _index(index)])
                    index += 1
        yield self.cipher.encrypt(_LAST + bytes(waiting), [header, _index(index)])


@attrs.define
class _Decryption:
    """
    Decrypts one content.
    """

    keys: KeyRing
    checksum: str
    _waiting: bytearray = attrs.field(factory=bytearray, init=False)
    _header: bytes = attrs.field(default=b"", init=False)
    _cipher: AESSIV | None = attrs.field(default=None, init=False)
    _index: int = attrs.field(default=0, init=False)
    _failure: Exception | None = attrs.field(default=None, init=False)

    async def segments(self, piece: bytes) -> AsyncGenerator[bytes]:
        """
        Yield the segments that are whole with one piece more; not the last one.
        """
        if self._failure is not None:
            return
        self._waiting += piece
        try:
            if self._cipher is None and len(self._waiting) > _MAX_HEADER_BYTES:
                await self._begin()
            while self._cipher is not None and len(self._waiting) > _SEALED_BYTES:
                yield self._opened(_SEALED_BYTES, _MORE)
        except (TamperedError, KeyDroppedError) as error:
            self._failure = error

    async def end(self) -> bytes:
        """
        Return the last segment, once all was read.

        Raises:
            TamperedError: If this is not what was put, though its digest is right.

            KeyDroppedError: If its key was dropped.
        """
        if self._failure is None and self._cipher is None:
            await self._begin()
        if self._failure is not None:
            raise self._failure
        return self._opened(len(self._waiting), _LAST)

    async def _begin(self) -> None:
        match = _HEADER.match(self._waiting)
        subject = f"content {self.checksum}"
        if match is None:
            raise TamperedError("it is not encrypted", subject=subject)
        key_id = KeyId(match[1].decode(), int(match[2]))
        self._header = match[0]
        del self._waiting[: len(self._header)]
        self._cipher = await self.keys.to_decrypt(key_id, subject)
        if self._cipher is None:
            raise KeyDroppedError(subject)

    def _opened(self, length: int, mark: bytes) -> bytes:
        sealed = bytes(self._waiting[:length])
        del self._waiting[:length]
        place = [self._header, _index(self._index)]
        self._index += 1
        try:
            segment = (
                b"" if self._cipher is None else self._cipher.decrypt(sealed, place)
            )
        except (InvalidTag, ValueError):
            segment = b""
        if segment[:1] != mark:
            raise TamperedError(
                "a part of it was altered, cut, or belongs to another place",
                subject=f"content {self.checksum}",
            )
        return segment[1:]


def _index(index: int) -> bytes:
    return index.to_bytes(8, "big")
