"""
Logical shards: which one an id belongs to, for good.

The shard of an id is the first byte of the SHA-256 digest (FIPS 180-4) of its shard
key, in UTF-8. The shard key is the id up to its first ``/``, or the whole id if it has
none; so the sessions ``acme/1`` and ``acme/2`` are always together. PostgreSQL computes
the same in :data:`SHARD_IN_POSTGRESQL`.

======================  ===========  =====
id                      shard key    shard
======================  ===========  =====
``ses_1``               ``ses_1``       70
``ses_1/notes``         ``ses_1``       70
``acme/ses_1``          ``acme``       130
``acme/ses_2``          ``acme``       130
``Größe``               ``Größe``      174
======================  ===========  =====
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

from asm_async.errors import UnsupportedOperationError

SHARD_COUNT = 256
"""
How many logical shards there are; it can never change.
"""


class ShardState(StrEnum):
    """
    What a primary is to a shard.
    """

    HERE = "here"
    """
    The shard is on this primary.
    """

    LEAVING = "leaving"
    """
    The shard is being moved away; what was not moved yet is here.
    """

    CLOSING = "closing"
    """
    The last of the shard is being moved away: it accepts no write any more.
    """

    ARRIVING = "arriving"
    """
    The shard is being moved here; what has arrived can be written.
    """

    ABSENT = "absent"
    """
    The shard is elsewhere: this primary accepts no write to it.
    """


def shard_key(id: str) -> str:  # noqa: A002 - the id of whatever it is
    """
    Return the part of an id that decides its shard.
    """
    return id.partition("/")[0]


def shard_of(id: str) -> int:  # noqa: A002 - the id of whatever it is
    """
    Return the logical shard of a session's id, a scope, or the key of an artifact.

    Returns:
        The shard, from 0 to 255.
    """
    return hashlib.sha256(shard_key(id).encode()).digest()[0]


def only_shard(ids: Iterable[str], what: str) -> str:
    """
    Return one of *ids* if all belong to one shard; the empty id if there are none.

    Args:
        ids: Of sessions, scopes and artifacts without a session.

        what: The call, which the error names.

    Raises:
        UnsupportedOperationError: If they belong to several shards.
    """
    by_shard: dict[int, str] = {}
    for each in ids:
        by_shard.setdefault(shard_of(each), each)
    if len(by_shard) > 1:
        (first, one), (second, other) = [*by_shard.items()][:2]
        raise UnsupportedOperationError(
            f"{what} would write to several shards in one transaction: {one!r} is of"
            f" shard {first}, {other!r} of shard {second}; make a call for each, or"
            " give what belongs together ids with the same beginning up to a slash"
        )
    return next(iter(by_shard.values()), "")
