"""
The fences: each primary knows which shards it has, and refuses writes to others.

A primary's table ``asm_shards`` is both the map that routers read and what its triggers
decide by, so that the two cannot differ. The database itself refuses a write to a shard
that is elsewhere, by any client: a router that has not heard of a move, a process that
was suspended meanwhile, or a program that knows nothing of shards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import ValidationError
from asm_async.sharding.claims import Claim
from asm_async.sharding.shards import SHARD_COUNT, ShardState, shard_key, shard_of
from asm_async.sql.core import tables
from asm_async.sql.core.column_types import count, text
from asm_async.sql.core.error_translation import REFUSED, code_of
from asm_async.sql.dialects import dialect_of

METADATA: sa.MetaData = sa.MetaData()

shards: sa.Table = sa.Table(
    "asm_shards",
    METADATA,
    sa.Column("shard", count(), primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("epoch", count(), nullable=False),
    sa.Column("mover", sa.String(36)),
)

# The shard keys that are being copied from a shard that is leaving; and those whose
# rows have left it, or have arrived in one that is arriving.
moving_keys: sa.Table = sa.Table(
    "asm_shard_moving_keys",
    METADATA,
    sa.Column("key", text(), primary_key=True),
    sa.Column("is_moved", sa.Boolean, nullable=False),
)

# The rows that were written while what their key has was being copied: of which table,
# and the values of its primary key. A row has one note, however often it is written, so
# that a mover which is no more leaves no more of them than there are rows.
changes: sa.Table = sa.Table(
    "asm_shard_changes",
    METADATA,
    sa.Column("position", count(), primary_key=True),
    sa.Column("shard", count(), nullable=False),
    sa.Column("relation", sa.String(32), nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    # An identity may be longer than what other indexes of PostgreSQL take.
    sa.Index("ix_asm_shard_changes_identity", "identity", postgresql_using="hash"),
    # What was deleted leaves no number that a later change might have.
    sqlite_autoincrement=True,
)

# By which columns a row belongs to a shard. An event is never written but together with
# its session's counter, nor a tag without its session.
PLACES: Mapping[sa.Table, tuple[sa.Column[Any], ...]] = {
    tables.session_sequences: (tables.session_sequences.c.session_id,),
    tables.sessions: (tables.sessions.c.id,),
    tables.runs: (tables.runs.c.session_id,),
    tables.artifacts: (tables.artifacts.c.session_id, tables.artifacts.c.key),
    tables.state_items: (tables.state_items.c.session_id, tables.state_items.c.scope),
}

_IS_MOVER = "asm_moves_shards"
_ITEMS = tables.state_items.name
_REVISIONS = f"{_ITEMS}_revision_seq"
_REVISIONS_LEFT_OUT = 10_000

_MESSAGE = "asm_async: this shard is not on this primary"

SHARD_IN_POSTGRESQL = "get_byte(sha256(convert_to(split_part({}, '/', 1), 'UTF8')), 0)"
"""
The expression of the shard of an id, as PostgreSQL computes it.
"""

LOCK_CLASS = 0x61736D73
"""
The first of the two numbers of the advisory locks of shard keys in PostgreSQL.
"""

# A writer holds its key's lock until its transaction ends, so that the mover, which
# takes it exclusively, comes before or after it. Each statement of the function sees
# what was committed before it began.
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION asm_shard_fence() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_or_new record := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    written jsonb := to_jsonb(old_or_new);
    before jsonb := to_jsonb(OLD);
    shard_key text := split_part(
        coalesce(written->>TG_ARGV[0], written->>TG_ARGV[1]), '/', 1
    );
    key_before text := split_part(
        coalesce(before->>TG_ARGV[0], before->>TG_ARGV[1]), '/', 1
    );
    key_shard integer := {SHARD_IN_POSTGRESQL.format("shard_key")};
    written_row text := json_build_array(written->TG_ARGV[2], written->TG_ARGV[3]);
    shard_state text;
    has_moved boolean;
BEGIN
    IF current_setting('asm_async.moves_shards', true) = 'on' THEN
        RETURN old_or_new;
    END IF;
    PERFORM pg_advisory_xact_lock_shared({LOCK_CLASS}, hashtext(shard_key));
    SELECT state INTO shard_state FROM asm_shards WHERE shard = key_shard;
    SELECT is_moved INTO has_moved FROM asm_shard_moving_keys WHERE key = shard_key;
    IF shard_state = 'leaving' AND EXISTS (
        SELECT FROM asm_shard_moving_keys
        WHERE key IN (shard_key, key_before) AND NOT is_moved
    ) THEN
        -- A mover which has read the old note forgets that, and not this one.
        DELETE FROM asm_shard_changes
        WHERE relation = TG_TABLE_NAME AND identity = written_row;
        INSERT INTO asm_shard_changes (shard, relation, identity)
        VALUES (key_shard, TG_TABLE_NAME, written_row);
    END IF;
    IF shard_state = 'here' OR (shard_state = 'leaving' AND has_moved IS NOT TRUE)
        OR (shard_state = 'arriving' AND has_moved)
    THEN
        RETURN old_or_new;
    END IF;
    RAISE EXCEPTION '{_MESSAGE}' USING ERRCODE = '{REFUSED}', DETAIL = shard_key;
END $$
-- Who writes sessions need not have a right to write what is noted here.
SECURITY DEFINER SET search_path FROM CURRENT
"""

# The same on SQLite, which has one writer at a time.
_TRIGGER_BODY = f"""
    SELECT RAISE(ABORT, '{_MESSAGE}') WHERE NOT EXISTS (
        SELECT 1 FROM asm_shards LEFT JOIN asm_shard_moving_keys AS moving
        ON moving.key = asm_shard_key({{place}})
        WHERE asm_shards.shard = asm_shard({{place}}) AND (
            state = 'leaving' AND moving.is_moved IS NOT TRUE
            OR state = 'arriving' AND moving.is_moved
        )
    );
    DELETE FROM asm_shard_changes
    WHERE relation = '{{table}}' AND identity = json_array({{identity}});
    INSERT INTO asm_shard_changes (shard, relation, identity)
    SELECT asm_shard({{place}}), '{{table}}', json_array({{identity}})
    WHERE EXISTS (
        SELECT 1 FROM asm_shard_moving_keys
        WHERE key IN (asm_shard_key({{place}}), asm_shard_key({{before}}))
        AND NOT is_moved
    );
"""

# A long key is rare, and so are two keys with one hash: both then wait for each other.
_TRY_LOCK = sa.text(f"SELECT pg_try_advisory_xact_lock({LOCK_CLASS}, hashtext(:key))")
_LOCK = sa.text(f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, hashtext(:key))")


def _is_postgresql(conn: AsyncConnection) -> bool:
    # What differs here is what follows from it: locks, and triggers that take them.
    return not dialect_of(conn.engine).serialises_writers


def is_fenced(error: BaseException) -> bool:
    """
    Return whether a primary refused a write since the shard is not there.
    """
    return code_of(error) in {REFUSED, "SQLITE_CONSTRAINT_TRIGGER"}


def set_up_fences(engine: AsyncEngine, *, is_mover: bool = False) -> None:
    """
    Have the connections of an SQLite engine know what its triggers call.

    Without that nothing can be written to a file that has fences.
    """
    if not dialect_of(engine).serialises_writers:
        return
    engine.sync_engine.update_execution_options(**{_IS_MOVER: is_mover})

    def add_functions(connection: Any, _: object) -> None:
        connection.create_function("asm_shard", 1, shard_of, deterministic=True)
        connection.create_function("asm_shard_key", 1, shard_key, deterministic=True)
        connection.create_function("asm_moves_shards", 0, lambda: is_mover)

    sa_event.listen(engine.sync_engine, "connect", add_functions)


def check_engines(engines: Mapping[str, AsyncEngine], *, is_mover: bool) -> None:
    """
    Refuse SQLite engines that cannot write, or for which the fences do not hold.

    Raises:
        ValidationError: If one was not made by ``shard_engine`` for this purpose.
    """
    call = "shard_engine(url, is_mover=True)" if is_mover else "shard_engine(url)"
    for name, engine in engines.items():
        if not dialect_of(engine).serialises_writers:
            continue
        if engine.sync_engine.get_execution_options().get(_IS_MOVER) is not is_mover:
            raise ValidationError(
                f"primaries: the engine of {name!r} was not made by {call}"
            )


async def read_claims(
    conn: AsyncConnection, keys: Collection[str] = ()
) -> tuple[dict[int, Claim], Collection[str]]:
    """
    Return what a primary says of each shard; nothing if it has no table of them.

    Returns:
        That, and which of some shard keys have left it, or have arrived, since their
        shards are being moved.
    """
    if not await conn.run_sync(lambda sync: sa.inspect(sync).has_table(shards.name)):
        return {}, ()
    is_one = dialect_of(conn.engine).is_one_of(moving_keys.c.key, keys)
    moved = sa.select(moving_keys.c.key).where(is_one, moving_keys.c.is_moved)
    moved_keys = set(await conn.scalars(moved)) if keys else set[str]()
    found = await conn.execute(sa.select(shards))
    claims = {
        row.shard: Claim(ShardState(row.state), row.epoch, row.mover) for row in found
    }
    return claims, moved_keys


async def set_claims(conn: AsyncConnection, claims: Mapping[int, Claim]) -> None:
    """
    Change what a primary says of some shards, and its fences with it.

    When the transaction ends, no earlier write to any of its tables is in progress.
    """
    is_postgresql = _is_postgresql(conn)
    if is_postgresql:
        names = ", ".join(table.name for table in PLACES)
        # While it waits for a long transaction all writers wait behind it.
        await conn.execute(sa.text("SET LOCAL lock_timeout = '500ms'"))
        await conn.execute(sa.text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
    await conn.run_sync(METADATA.create_all)
    await conn.execute(sa.delete(shards).where(shards.c.shard.in_(claims)))
    rows = [
        attrs.asdict(claim) | {"shard": shard, "state": claim.state.value}
        for shard, claim in claims.items()
    ]
    await conn.execute(sa.insert(shards), rows)
    is_open = shards.c.state == ShardState.HERE.value
    open_shards = set(await conn.scalars(sa.select(shards.c.shard).where(is_open)))
    if is_postgresql:
        await conn.execute(sa.text(_FUNCTION))
    for statement in _triggers(open_shards, is_postgresql=is_postgresql):
        await conn.exec_driver_sql(statement)


def _triggers(open_shards: set[int], *, is_postgresql: bool) -> list[str]:
    """
    Return the statements that make all triggers again.

    Which shards are open stands in the triggers' conditions, so that a write to one of
    these costs a digest, and no look into a table.
    """
    statements: list[str] = []
    for table, columns in PLACES.items():
        keys = [column.name for column in table.primary_key]
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            name = f"{table.name}_fence_{event.lower()}"
            places = [f"{row}.{column.name}" for column in columns]
            place = places[0] if len(places) == 1 else f"coalesce({', '.join(places)})"
            before = place if event == "INSERT" else place.replace("NEW.", "OLD.")
            fence = f"TRIGGER {name} BEFORE {event} ON {table.name}"
            if is_postgresql:
                bits = "".join(
                    "01"[shard not in open_shards] for shard in range(SHARD_COUNT)
                )
                shard = SHARD_IN_POSTGRESQL.format(place)
                # One column of two may be the place, and the primary key.
                names = [column.name for column in (columns[0], columns[-1])]
                arguments = ", ".join(f"'{name}'" for name in (*names, *keys))
                statements.append(
                    f"CREATE OR REPLACE {fence} FOR EACH ROW"
                    f" WHEN (get_bit(B'{bits}', {shard}) = 1)"
                    f" EXECUTE FUNCTION asm_shard_fence({arguments})"
                )
            else:
                numbers = ", ".join(map(str, sorted(open_shards)))
                identity = ", ".join(f"{row}.{key}" for key in keys)
                body = _TRIGGER_BODY.format(
                    place=place, before=before, table=table.name, identity=identity
                )
                condition = f"asm_shard({place}) NOT IN ({numbers})"
                fence = f"{fence} WHEN {condition} AND NOT asm_moves_shards()"
                statements += [
                    f"DROP TRIGGER IF EXISTS {name}",
                    f"CREATE {fence} BEGIN {body} END",
                ]
    return statements


async def begin_moving(conn: AsyncConnection) -> None:
    """
    Let this transaction pass the fences, on the engine of a mover.
    """
    if _is_postgresql(conn):
        await conn.execute(sa.text("SET LOCAL asm_async.moves_shards = 'on'"))


async def lock_keys(conn: AsyncConnection, keys: list[str]) -> list[str]:
    """
    Keep other writers off some shard keys until the transaction of a mover ends.

    Returns:
        Those that could be had without waiting for one while holding another, since two
        that do so may wait for each other: at least one of them.
    """
    if not _is_postgresql(conn):
        return keys
    locked = [key for key in keys if await conn.scalar(_TRY_LOCK, {"key": key})]
    if not locked:
        locked = keys[:1]
        await conn.execute(_LOCK, {"key": keys[0]})
    return locked


def shard_in(
    conn: AsyncConnection, column: sa.ColumnElement[Any]
) -> sa.ColumnElement[int]:
    """
    Return the expression of the shard of a column's value.
    """
    if not _is_postgresql(conn):
        return sa.func.asm_shard(column)
    key = sa.func.split_part(column, "/", 1)
    return sa.func.get_byte(sa.func.sha256(sa.func.convert_to(key, "UTF8")), 0)


async def last_revision(conn: AsyncConnection) -> int:
    """
    Return the last revision that a primary has given to a state item.
    """
    if _is_postgresql(conn):
        query = f"SELECT last_value FROM {_REVISIONS}"
    else:
        query = f"SELECT max(seq) FROM sqlite_sequence WHERE name = '{_ITEMS}'"
    return int(await conn.scalar(sa.text(query)) or 0)


async def insert_new(
    conn: AsyncConnection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """
    Insert rows; of events, those that are not there yet.
    """
    insert = postgresql.insert if _is_postgresql(conn) else sqlite.insert
    statement = insert(table)
    if table is tables.events:
        statement = statement.on_conflict_do_nothing()
    if rows:
        await conn.execute(statement, rows)


async def raise_revisions(conn: AsyncConnection, revision: int) -> None:
    """
    Have a primary give state items none but higher revisions from now on.

    On PostgreSQL others may draw some meanwhile, which are not to be given twice: far
    fewer than are left out here.
    """
    if await last_revision(conn) >= revision:
        return
    if _is_postgresql(conn):
        change = f"SELECT setval('{_REVISIONS}', :revision + {_REVISIONS_LEFT_OUT})"
        await conn.execute(sa.text(change), {"revision": revision})
        return
    values = {"revision": revision}
    change = f"UPDATE sqlite_sequence SET seq = :revision WHERE name = '{_ITEMS}'"
    if not (await conn.execute(sa.text(change), values)).rowcount:
        change = (
            f"INSERT INTO sqlite_sequence (name, seq) VALUES ('{_ITEMS}', :revision)"
        )
        await conn.execute(sa.text(change), values)
