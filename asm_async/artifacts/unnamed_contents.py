"""
Removing the contents that no artifact names.

They are left by a crash before a registration, and by artifacts that are removed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from asm_async.fronts.retention import checked_grace_period, time_ago
from asm_async.ports.artifact_registry import MAX_CHECKSUMS, ArtifactRegistry
from asm_async.ports.artifact_store import GRACE_PERIOD, ArtifactStore


async def remove_unnamed_contents(
    registry: ArtifactRegistry,
    store: ArtifactStore,
    *,
    grace_period: timedelta = GRACE_PERIOD,
) -> AsyncGenerator[int]:
    """
    Remove the contents that no artifact names, and what killed puts have left.

    A content that was put again while this looks is young again, and stays. All that
    is in the store must be named in the one registry: contents that another registry
    names would be removed.

    Args:
        registry: Which artifacts there are.

        store: The store of their contents.

        grace_period: Longer than it takes to register an artifact after its content was
            put, and than clocks differ. A content that was put more recently stays.

    Yields:
        How many contents each batch has removed; between two batches no work is in
        progress.

    Raises:
        ValidationError: If *grace_period* is negative.
    """
    put_before = time_ago(datetime.now(UTC), checked_grace_period(grace_period))
    last: str | None = None
    await store.remove_leftovers()
    while checksums := await store.list_checksums(
        last_put_before=put_before, after=last, limit=MAX_CHECKSUMS
    ):
        named, count = await registry.named_checksums(checksums), 0
        for checksum in checksums:
            if checksum not in named:
                count += await store.delete(checksum, last_put_before=put_before)
        yield count
        last = checksums[-1]
