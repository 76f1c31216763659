"""
The port through which the contents of artifacts are kept.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from asm_async.values.artifact import ArtifactContent

GRACE_PERIOD = timedelta(days=1)
"""
How long a content may wait for its artifact, unless another time is given.
"""


@runtime_checkable
class ArtifactStore(Protocol):
    """
    Contents, each kept under a SHA-256 digest: of the bytes that the store keeps.

    **Immutability.** The content of a checksum never changes, so that the same content
    is kept once, however often it is put, and putting it again is always safe.

    **Atomicity.** A content is there whole or not at all, also after the process was
    killed in the middle of a put. An acknowledged content survives a power cut, as far
    as the medium does.

    **Verification.** Each content that is read is compared with its checksum. Content
    that is damaged raises ``ArtifactDamagedError`` and is never returned whole.

    **Deletion.** Contents are shared: one may be deleted only if no artifact names it.
    Between finding that out and deleting it another caller may put the same content
    again: therefore each put renews the content's age, and a deletion may be bound to
    it, both as if one happened after the other.

    **Cancellation.** A cancelled put leaves the content whole or nothing, and no
    temporary file. No part of a cancelled call continues in the background.

    **Loops.** A store may be used from several event loops, threads and processes.

    **Errors.** Every method raises ``ValidationError`` for a bad argument before
    anything is read or written, and the family of ``StorageError`` if the medium fails:
    ``StorageUnavailableError`` or ``StorageBusyError`` if the same call may succeed
    later; a full disk is a plain ``StorageError``.
    """

    async def put(self, content: bytes | AsyncIterable[bytes]) -> ArtifactContent:
        """
        Keep a content.

        Args:
            content:
                All of it, or its pieces in order, of whatever length; of these only a
                few are in memory at a time. Its exceptions propagate to the caller, and
                nothing is kept.

        Returns:
            Its checksum, its size, and its place.
        """
        ...

    async def get(self, checksum_sha256: str) -> bytes:
        """
        Return a content, verified.

        Raises:
            ArtifactNotFoundError: If there is none of this checksum.

            ArtifactDamagedError: If it is damaged.
        """
        ...

    def stream(self, checksum_sha256: str) -> AsyncGenerator[bytes]:
        """
        Yield a content piece by piece, with only a few pieces in memory at a time.

        The last piece is yielded only after the digest of all was found right. A caller
        that works on pieces as they come must be ready to discard that work until the
        iteration has ended without an error.

        An iteration that is given up should be closed (``contextlib.aclosing``), so
        that nothing stays open.

        Raises:
            ArtifactNotFoundError: If there is none of this checksum.

            ArtifactDamagedError: If it is damaged.
        """
        ...

    async def delete(
        self, checksum_sha256: str, *, last_put_before: datetime | None = None
    ) -> bool:
        """
        Remove a content, whole or damaged; an unknown checksum is not an error.

        Args:
            checksum_sha256: Which content.

            last_put_before:
                Remove it only if it was last put before this time, by the clock of the
                store. A put at the same time either renews the content first, and it
                stays, or keeps it again.

        Returns:
            Whether it was there and was removed.
        """
        ...

    async def list_checksums(
        self,
        *,
        last_put_before: datetime | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> list[str]:
        """
        List the checksums of the contents there are, in ascending order.

        Args:
            last_put_before: Only of contents that were last put before this time.

            after: Only checksums greater than this one: the last of the page before.

            limit: The most to return.
        """
        ...

    async def remove_leftovers(self) -> int:
        """
        Remove the leftovers of killed puts, but not the files of puts in progress.

        Returns:
            How many were removed.
        """
        ...
