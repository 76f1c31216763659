"""
Sessions over several primaries: each on one, found by a hash of its id.
"""

from asm_async.sharding.moving import create_shards
from asm_async.sharding.shards import SHARD_COUNT, ShardState, shard_key, shard_of
from asm_async.sharding.together import ShardedPorts, open_sharded_ports, shard_engine

__all__ = [
    "SHARD_COUNT",
    "ShardState",
    "ShardedPorts",
    "create_shards",
    "open_sharded_ports",
    "shard_engine",
    "shard_key",
    "shard_of",
]
