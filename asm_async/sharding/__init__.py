"""
Sessions over several primaries: each on one, found by a hash of its id.
"""

from asm_async.sharding.claims import Claim
from asm_async.sharding.creating import create_shards, list_shards
from asm_async.sharding.moves import abandon_move, move_shard
from asm_async.sharding.moving import MoveReport
from asm_async.sharding.shards import SHARD_COUNT, ShardState, shard_key, shard_of
from asm_async.sharding.together import ShardedPorts, open_sharded_ports, shard_engine

__all__ = [
    "SHARD_COUNT",
    "Claim",
    "MoveReport",
    "ShardState",
    "ShardedPorts",
    "abandon_move",
    "create_shards",
    "list_shards",
    "move_shard",
    "open_sharded_ports",
    "shard_engine",
    "shard_key",
    "shard_of",
]
