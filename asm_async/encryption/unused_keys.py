"""
Dropping the keys of sessions that are not stored any more.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta

from asm_async.encryption.key_ring import KeyRing
from asm_async.encryption.owners import KeyOwner
from asm_async.errors import SessionNotFoundError
from asm_async.fronts.retention import checked_grace_period
from asm_async.ports.session_store import SessionStore

UNUSED_FOR = timedelta(hours=1)
"""
How long a session must have been missing, unless said otherwise.
"""


async def drop_unused_keys(
    keys: KeyRing, store: SessionStore, *, unused_for: timedelta = UNUSED_FOR
) -> int:
    """
    Drop the keys of sessions that were deleted, or never came to be.

    A session is first noted as missing, by its deletion or by this; its keys are
    dropped once it has been missing for a while. So nothing is lost that others store
    at the same time under an id that comes back. Call it every night, after retention.

    Args:
        keys: The data keys.

        store: A session store over the database whose sessions they cover.

        unused_for: How long; longer than any call takes, and than clocks differ.

    Returns:
        How many sessions' keys were dropped.
    """
    seconds = checked_grace_period(unused_for).total_seconds()
    count = 0
    async with aclosing(keys.records()) as records:
        async for record in records:
            owner = record.owner
            if owner.kind != "session" or not record.keys:
                continue
            is_used = await is_stored(owner, store)
            missing_since = record.unused_since
            if is_used or missing_since is None:
                await keys.note_use(owner, is_used=is_used)
            elif keys.clock().timestamp() - missing_since > seconds:
                # Its id may have come back since it was looked for.
                count += await keys.drop(owner, unused_since=missing_since)
    return count


async def is_stored(owner: KeyOwner, store: SessionStore) -> bool:
    """
    Return whether the session that is the *owner* of keys is stored.
    """
    try:
        await store.get_session(owner.id)
    except SessionNotFoundError:
        return False
    return True
