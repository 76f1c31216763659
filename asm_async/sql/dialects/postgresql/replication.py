"""
How far a PostgreSQL server is: positions in the write-ahead log.
"""

from __future__ import annotations

from functools import cached_property

import sqlalchemy as sa

from asm_async.sql.core.prepared import Prepared, Row, prepare
from asm_async.sql.dialects.replication import ReplicationDialect, ServerPlace

# What was acknowledged is flushed, unless commits do not wait for that. Where the log
# ends, flushed or not, would be a safe answer, too, but standbys are sent only what is
# flushed: announcements, which do not wait, would let readers wait for the WAL writer.
_PLACE = sa.text(
    """
    SELECT pg_is_in_recovery(),
        CAST(CAST(system_identifier AS TEXT) AS BIGINT),
        CAST(CASE
            WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
            WHEN current_setting('synchronous_commit') = 'off'
                THEN pg_current_wal_insert_lsn()
            ELSE pg_current_wal_flush_lsn()
        END - CAST('0/0' AS pg_lsn) AS BIGINT)
    FROM pg_control_system()
    """
)


class PostgreSQLReplication(ReplicationDialect):
    """
    Streaming replication, or any other way in which a standby is given the log.
    """

    def __init__(self, compiler: sa.Dialect) -> None:
        self._compiler = compiler

    @cached_property
    def place(self) -> Prepared:
        """
        The query for a server's place, which any role may ask.
        """
        return prepare(_PLACE, self._compiler)

    def place_of(self, row: Row) -> ServerPlace:
        is_standby, system, position = row
        # A server that was just started may have replayed nothing yet.
        return ServerPlace(bool(is_standby), int(system), int(position or 0))
