"""
The feed of one of several primaries, where a shard may have come, and come back.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sharding.claims import Claim
from asm_async.sharding.fences import read_claims
from asm_async.sharding.shards import ShardState, shard_of
from asm_async.sql.event_feed import SQLEventFeed
from asm_async.sql.feed.readers import FeedReader
from asm_async.values.checkpoint import Place


class _Reader(FeedReader):
    """
    Takes for no loss of history that a mover has copied what was read before again.
    """

    async def _stand(self, conn: AsyncConnection, place: Place) -> Any:
        row = await super()._stand(conn, place)
        witness = self._witness
        if witness is not None and (row.at_transaction, row.at_position) != place:
            claims, _ = await read_claims(conn)
            claim = claims.get(shard_of(witness.session_id))
            # Of a shard that has always been here nothing was copied.
            if claim != Claim(ShardState.HERE):
                self._witness = None
        return row


class PrimaryFeed(SQLEventFeed):
    """
    As its superclass, on a primary of several.
    """

    _reader_type: ClassVar[type[FeedReader]] = _Reader
