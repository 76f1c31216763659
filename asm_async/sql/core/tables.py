"""
The tables, as queries see them; the migrations create them.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    Column,
    Float,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from asm_async.sql.core.column_types import (
    EventTypeText,
    JSONText,
    count,
    text,
    utc_time,
)

METADATA: MetaData = MetaData()

sessions: Table = Table(
    "asm_sessions",
    METADATA,
    Column("id", text(), primary_key=True),
    Column("tenant_id", text()),
    Column("user_id", text()),
    Column("agent_id", text(), nullable=False),
    Column("status", String(16), nullable=False),
    Column("parent_session_id", text()),
    Column("metadata", JSONText, nullable=False),
    Column("context", JSONText, nullable=False),
    Column("tags", JSONText, nullable=False),
    Column("created_at", utc_time(), nullable=False),
    Column("updated_at", utc_time(), nullable=False),
    Column("deleted_at", utc_time()),
    Column("revision", count(), nullable=False),
    # Which call wrote the row last; no field of a session.
    Column("operation_id", text()),
)

# Written from asm_sessions.tags, so that SQL need not look into JSON to search by tag.
session_tags: Table = Table(
    "asm_session_tags",
    METADATA,
    Column("session_id", text(), primary_key=True),
    Column("tag", text(), primary_key=True),
)

# The token counts and the model are written from token_usage and
# provider_metadata, for the same reason.
runs: Table = Table(
    "asm_runs",
    METADATA,
    Column("id", text(), primary_key=True),
    Column("session_id", text(), nullable=False),
    Column("status", String(16), nullable=False),
    Column("input", JSONText),
    Column("output", JSONText),
    Column("error", JSONText),
    Column("metadata", JSONText, nullable=False),
    Column("turn_count", count(), nullable=False),
    Column("token_usage", JSONText, nullable=False),
    Column("input_tokens", count(), nullable=False),
    Column("output_tokens", count(), nullable=False),
    Column("total_tokens", count(), nullable=False),
    Column("cache_read_tokens", count(), nullable=False),
    Column("cache_write_tokens", count(), nullable=False),
    Column("reasoning_tokens", count(), nullable=False),
    Column("started_at", utc_time(), nullable=False),
    Column("ended_at", utc_time()),
    Column("provider", text()),
    Column("provider_metadata", JSONText, nullable=False),
    Column("model", text()),
    Column("cost_usd", Float(53)),
    Column("revision", count(), nullable=False),
    Column("operation_id", text()),
)

# The last revision of each run that was removed, and whose it was: should its id come
# back, in whatever session, its revisions go on from there.
run_tombstones: Table = Table(
    "asm_run_tombstones",
    METADATA,
    Column("run_id", text(), primary_key=True),
    Column("tenant_id", text()),
    Column("revision", count(), nullable=False),
)

# The feed's columns, position and (on PostgreSQL) transaction_id, are filled in by the
# database and left out here: no write names them. The others stand in the order of an
# event's fields, so that a row is made an event as it is.
events: Table = Table(
    "asm_events",
    METADATA,
    Column("id", text(), nullable=False),
    Column("type", EventTypeText, nullable=False),
    Column("timestamp", utc_time(), nullable=False),
    Column("session_id", text(), primary_key=True),
    Column("run_id", text()),
    Column("sequence_number", count(), primary_key=True, autoincrement=False),
    Column("data", JSONText, nullable=False),
    Column("metadata", JSONText, nullable=False),
    Column("schema_version", count(), nullable=False),
    Column("provider", text()),
    Column("correlation_id", text()),
)


class GateState(StrEnum):
    """
    Whether a session can be appended to, as its counter row says.

    One that is soft-deleted and has very many events is removed for good in parts: it
    is ``deleting`` then, still there but not to be restored. One that is imported in
    parts is ``importing``, and as good as soft-deleted, until the last of them.
    """

    LIVE = "live"
    SOFT_DELETED = "soft_deleted"
    DELETING = "deleting"
    DELETED = "deleted"
    IMPORTING = "importing"

    @property
    def is_deleted(self) -> bool:
        """
        Whether the session is still there, though closed to writers.
        """
        return self in {self.SOFT_DELETED, self.DELETING, self.IMPORTING}


# The append gate: a session is appended to by updating its row here, in state "live".
# tenant_id is the session's, so that an append need not look at another table. The row
# outlives its session as a tombstone, and session_revision is that one's last revision.
#
# updated_at is when the session, a run or an event was last written. An index on it
# would have every append write to the index too (on PostgreSQL, a new place for the row
# in all of them), so active_until is indexed in its stead: an append moves it to a
# minute ahead once the time has passed it, which is once a minute at the most. The
# exact time lies within the minute before it. Tombstones have none.
session_sequences: Table = Table(
    "asm_session_sequences",
    METADATA,
    Column("session_id", text(), primary_key=True),
    Column("last_sequence", count(), nullable=False),
    Column("pruned_count", count(), nullable=False),
    Column("state", String(16), nullable=False),
    Column("updated_at", utc_time(), nullable=False),
    Column("tenant_id", text()),
    Column("session_revision", count(), nullable=False, server_default="0"),
    Column("active_until", utc_time()),
)

artifacts: Table = Table(
    "asm_artifacts",
    METADATA,
    Column("id", text(), primary_key=True),
    Column("session_id", text()),
    Column("run_id", text()),
    Column("key", text(), nullable=False),
    Column("content_type", text()),
    Column("byte_size", count(), nullable=False),
    Column("checksum_sha256", String(64), nullable=False),
    Column("storage_backend", text(), nullable=False),
    Column("storage_ref", Text, nullable=False),
    Column("metadata", JSONText, nullable=False),
    Column("created_at", utc_time(), nullable=False),
    Column("deleted_at", utc_time()),
)

# Durable consumers of the feed: how far each has come, and who may say so.
consumers: Table = Table(
    "asm_consumers",
    METADATA,
    Column("name", text(), primary_key=True),
    Column("checkpoint", Text),
    Column("fencing_token", count(), nullable=False),
    Column("holder", text()),
    Column("leased_until", utc_time()),
    Column("updated_at", utc_time(), nullable=False),
)

# The revision is taken from a source of the whole table that never goes back, so that
# none ever stands for two contents, whatever was deleted: on PostgreSQL the sequence of
# the column, on SQLite AUTOINCREMENT.
state_items: Table = Table(
    "asm_state_items",
    METADATA,
    Column("scope", text(), primary_key=True),
    Column("key", text(1_024), primary_key=True),
    Column("data", JSONText),
    Column("content", LargeBinary),
    Column("session_id", text()),
    Column("revision", count(), nullable=False),
    Column("updated_at", utc_time(), nullable=False),
    Column("operation_id", text(), nullable=False),
)
