"""
The index of texts on PostgreSQL: GIN over the terms of each row.

Terms come made, and PostgreSQL's parser and dictionaries would change them. So the
index is one of ``array_to_tsvector``, which takes terms as they are, over the column
that has them: no row keeps a second copy. Places of terms are not kept either: of a
long text PostgreSQL would forget some. Phrases are compared with the rows themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.core.text_tables import text_rows
from asm_async.sql.dialects.postgresql.driver import milliseconds
from asm_async.sql.dialects.postgresql.write import TEXT_INDEX_KEY
from asm_async.sql.dialects.text_index import Split, TextIndexDialect
from asm_async.values.text_query import Phrase, PhraseEnd, TextQuery

# Rows are numbered as they are indexed, and each has the numbers of its blocks among
# its terms, behind a sign that no word has: so GIN finds what the latest rows have
# without a look at any other row. What it takes for that grows with the square of the
# number of blocks. So there are blocks of blocks, each of eight: a dozen at most make
# up any number of them.
BLOCK_SIZE: Final = 4_096
_SHIFTS = (12, 15, 18, 21)
_BLOCKS = ", ".join(f"'#{by}.' || CAST(number >> {by} AS text)" for by in _SHIFTS)
_TERMS = f"array_to_tsvector(string_to_array(btrim(words), ' ') || ARRAY[{_BLOCKS}])"

# How many times as many blocks are looked at next, at most.
_MAX_GROWTH = 8
_SPARE = 1.25

_CREATE_TABLES = (
    """
    CREATE TABLE asm_text_rows (
        session_id VARCHAR(255) COLLATE "C" NOT NULL,
        sequence_number BIGINT NOT NULL,
        timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
        type VARCHAR(255) COLLATE "C",
        role VARCHAR(16),
        term_count INTEGER NOT NULL,
        words TEXT COLLATE "C" NOT NULL,
        number BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE,
        PRIMARY KEY (session_id, sequence_number)
    )
    """,
    """
    CREATE INDEX ix_asm_text_rows_timestamp
        ON asm_text_rows (timestamp, session_id, sequence_number)
    """,
    f"CREATE INDEX ix_asm_text_rows_words ON asm_text_rows USING gin ({_TERMS})",
    """
    CREATE TABLE asm_text_stale_titles (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        session_id VARCHAR(255) COLLATE "C" NOT NULL
    )
    """,
    """CREATE TABLE asm_text_index (titles_through VARCHAR(255) COLLATE "C")""",
    "INSERT INTO asm_text_index (titles_through) VALUES ('')",
)

# The extension may be in any schema. The owner of the database installs it.
_HAS_TRIGRAMS = """
    SELECT EXISTS (
        SELECT 1 FROM pg_opclass
        WHERE opcname = 'gin_trgm_ops' AND pg_opclass_is_visible(oid)
    )
"""
_CREATE_PARTS = """
    CREATE INDEX ix_asm_text_rows_parts ON asm_text_rows USING gin (words gin_trgm_ops)
"""

# A role that removes events needs no rights to the index. Names mean what they meant
# where it was made, and nothing that a temporary schema has.
_AS_MAKER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT"
_SET_PATH = """
    SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)
"""
_RESET_PATH = sa.text("SELECT set_config('search_path', :path, true)")

# An indexer holds the lock while it looks which events are there, and until it has
# indexed them: who removes them meanwhile waits, and then sees the rows to remove. A
# statement that waits for it begins its look after that.
_CREATE_TRIGGERS = (
    f"""
    CREATE OR REPLACE FUNCTION asm_text_events_removed() RETURNS trigger {_AS_MAKER}
    AS $$ BEGIN
        PERFORM pg_advisory_xact_lock_shared({TEXT_INDEX_KEY});
        DELETE FROM asm_text_rows AS text USING removed
            WHERE text.session_id = removed.session_id
            AND text.sequence_number = removed.sequence_number;
        RETURN NULL;
    END $$
    """,  # noqa: S608 - the key is ours
    """
    CREATE TRIGGER asm_text_events_removed AFTER DELETE ON asm_events
        REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION asm_text_events_removed()
    """,
    f"""
    CREATE OR REPLACE FUNCTION asm_text_sessions_removed() RETURNS trigger {_AS_MAKER}
    AS $$ BEGIN
        PERFORM pg_advisory_xact_lock_shared({TEXT_INDEX_KEY});
        DELETE FROM asm_text_rows AS text USING removed
            WHERE text.session_id = removed.id AND text.sequence_number = 0;
        RETURN NULL;
    END $$
    """,  # noqa: S608 - the key is ours
    """
    CREATE TRIGGER asm_text_sessions_removed AFTER DELETE ON asm_sessions
        REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION asm_text_sessions_removed()
    """,
    f"""
    CREATE OR REPLACE FUNCTION asm_text_session_saved() RETURNS trigger {_AS_MAKER}
    AS $$ BEGIN
        INSERT INTO asm_text_stale_titles (session_id) VALUES (NEW.id);
        RETURN NULL;
    END $$
    """,  # noqa: S608 - the key is ours
    """
    CREATE TRIGGER asm_text_session_added AFTER INSERT ON asm_sessions
        FOR EACH ROW EXECUTE FUNCTION asm_text_session_saved()
    """,
    """
    CREATE TRIGGER asm_text_session_saved AFTER UPDATE OF metadata ON asm_sessions
        FOR EACH ROW
        WHEN (CAST(OLD.metadata AS text) IS DISTINCT FROM CAST(NEW.metadata AS text))
        EXECUTE FUNCTION asm_text_session_saved()
    """,
)

_DROP = (
    "DROP TRIGGER IF EXISTS asm_text_events_removed ON asm_events",
    "DROP TRIGGER IF EXISTS asm_text_sessions_removed ON asm_sessions",
    "DROP TRIGGER IF EXISTS asm_text_session_added ON asm_sessions",
    "DROP TRIGGER IF EXISTS asm_text_session_saved ON asm_sessions",
    "DROP FUNCTION IF EXISTS asm_text_events_removed()",
    "DROP FUNCTION IF EXISTS asm_text_sessions_removed()",
    "DROP FUNCTION IF EXISTS asm_text_session_saved()",
    "DROP TABLE IF EXISTS asm_text_rows",
    "DROP TABLE IF EXISTS asm_text_stale_titles",
    "DROP TABLE IF EXISTS asm_text_index",
)

# One statement for the timeout and the lock, as all locks are taken.
_LOCK = sa.text(
    f"""
    WITH timeout AS MATERIALIZED (SELECT set_config('lock_timeout', :timeout, true))
    SELECT count(pg_advisory_xact_lock({TEXT_INDEX_KEY})) FROM timeout
    """  # noqa: S608 - the key is ours
)

_INSERT = sa.text(
    """
    INSERT INTO asm_text_rows (
        session_id, sequence_number, timestamp, type, role, term_count, words
    )
    SELECT session_id, sequence_number, timestamp, type, role, term_count, words
    FROM unnest(
        CAST(:session_id AS TEXT[]), CAST(:sequence_number AS BIGINT[]),
        CAST(:role AS TEXT[]), CAST(:term_count AS INTEGER[]), CAST(:words AS TEXT[])
    ) AS added (session_id, sequence_number, role, term_count, words)
    JOIN asm_events USING (session_id, sequence_number)
    ON CONFLICT DO NOTHING
    """
)

_REMOVE_TITLES = sa.text(
    """
    DELETE FROM asm_text_rows
    WHERE session_id = ANY (CAST(:session_id AS TEXT[])) AND sequence_number = 0
    """
)

_INSERT_TITLES = sa.text(
    """
    INSERT INTO asm_text_rows (
        session_id, sequence_number, timestamp, term_count, words
    )
    SELECT id, 0, created_at, term_count, words
    FROM unnest(
        CAST(:session_id AS TEXT[]), CAST(:term_count AS INTEGER[]),
        CAST(:words AS TEXT[])
    ) AS added (id, term_count, words)
    JOIN asm_sessions USING (id)
    """
)

_MATCHES: sa.ColumnElement[Any] = sa.literal_column(_TERMS)
_NUMBER: sa.ColumnElement[int] = sa.literal_column(
    "asm_text_rows.number", sa.BigInteger
)


class PostgreSQLTextIndex(TextIndexDialect):
    """
    GIN, and trigrams where the extension ``pg_trgm`` is installed.
    """

    async def is_there(self, conn: AsyncConnection) -> bool:
        query = "SELECT to_regclass('asm_text_index') IS NOT NULL"
        return bool((await conn.exec_driver_sql(query)).scalar_one())

    async def create(self, conn: AsyncConnection) -> None:
        path = (await conn.exec_driver_sql("SHOW search_path")).scalar_one()
        await conn.exec_driver_sql(_SET_PATH)
        for statement in (*_CREATE_TABLES, *_CREATE_TRIGGERS):
            await conn.exec_driver_sql(statement)
        await conn.execute(_RESET_PATH, {"path": path})
        if (await conn.exec_driver_sql(_HAS_TRIGRAMS)).scalar_one():
            await conn.exec_driver_sql(_CREATE_PARTS)

    async def drop(self, conn: AsyncConnection) -> None:
        for statement in _DROP:
            await conn.exec_driver_sql(statement)

    async def lock(self, conn: AsyncConnection, timeout: float) -> None:
        await conn.execute(_LOCK, {"timeout": milliseconds(timeout)})

    async def insert(
        self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]
    ) -> None:
        await conn.execute(_INSERT, _columns(rows))

    async def insert_titles(
        self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]
    ) -> None:
        await conn.execute(_REMOVE_TITLES, _columns(rows))
        if titled := [row for row in rows if row["words"]]:
            await conn.execute(_INSERT_TITLES, _columns(titled))

    def narrowed(self, query: TextQuery) -> sa.ColumnElement[bool]:
        return _narrowed(query, [])

    async def split(
        self, conn: AsyncConnection, query: TextQuery, most: int
    ) -> Split | None:
        """
        Look at the latest block, and from what it has estimate how many have enough.
        """
        last = await conn.scalar(sa.select(sa.func.max(_NUMBER)).select_from(text_rows))
        last = last or 0
        end = last // BLOCK_SIZE + 1
        enough, count, split, are_many = most // 2 + 1, 1, None, False
        while count < end or not are_many:
            if not are_many and _MAX_GROWTH * count >= end:
                # All that is found is not much more than what would be looked at.
                found = await _number_found(conn, self.narrowed(query), most + 1)
                if found <= most:
                    return None
                are_many = True
            else:
                first = (end - count) * BLOCK_SIZE
                latest = _narrowed(query, _blocks(first, last))
                split = Split(latest, sa.and_(self.narrowed(query), first > _NUMBER))
                found = await _number_found(conn, latest, enough)
                if found >= enough:
                    break
                # The latest block is seldom full, and an estimate is seldom exact.
                rows = _SPARE * enough * (last + 1 - first) / max(found, 1)
                wanted = min(int(rows) // BLOCK_SIZE + 1, _MAX_GROWTH * count)
                count = max(wanted, count + 1)
        return split

    def narrowed_in_order(self, query: TextQuery) -> sa.ColumnElement[bool]:
        """
        Leave it to the comparison: a condition of an index would be taken for one.
        """
        return sa.true()

    def has_phrase(self, phrase: Phrase) -> sa.ColumnElement[bool]:
        return sa.func.strpos(text_rows.c.words, phrase.pattern) > 0

    def byte_length(self, text: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
        return sa.func.octet_length(text)

    def events_of(self, sessions: sa.Select[str]) -> sa.ColumnElement[bool]:
        return text_rows.c.session_id.in_(sessions)


def _blocks(first: int, last: int) -> list[str]:
    """
    Return the terms of as few blocks as have the rows from *first* on, to the last.
    """
    terms: list[str] = []
    while first <= last:
        by = max(each for each in _SHIFTS if first % (1 << each) == 0)
        terms.append(f"#{by}.{first >> by}")
        first += 1 << by
    return terms


def _narrowed(query: TextQuery, blocks: Collection[str]) -> sa.ColumnElement[bool]:
    """
    Ask the indexes: an expression is found by one only as it was written there.
    """
    wanted = {
        quoted: None
        for phrase in query.wanted
        if phrase.end is not PhraseEnd.PART
        for quoted in _quoted(phrase)
    }
    if blocks:
        either = " | ".join(f"'{block}'" for block in blocks)
        wanted[f"({either})"] = None
    conditions = [
        text_rows.c.words.like(f"%{phrase.terms[0]}%")
        for phrase in query.wanted
        if phrase.end is PhraseEnd.PART
    ]
    if wanted:
        terms = sa.cast(sa.literal(" & ".join(wanted)), TSQUERY)
        conditions.append(_MATCHES.op("@@", is_comparison=True)(terms))
    return sa.and_(*conditions)


async def _number_found(
    conn: AsyncConnection, narrowed: sa.ColumnElement[bool], most: int
) -> int:
    """
    Count the rows that meet a condition, up to *most*.
    """
    some = sa.select(sa.literal(1)).select_from(text_rows).where(narrowed).limit(most)
    counted = sa.select(sa.func.count()).select_from(some.subquery())
    return (await conn.execute(counted)).scalar_one()


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """
    Turn rows into an array for each column: one statement for all.
    """
    return {name: [row[name] for row in rows] for name in rows[0]}


def _quoted(phrase: Phrase) -> list[str]:
    """
    Quote terms for a query; a term is letters and digits, so that nothing is escaped.
    """
    quoted = [f"'{term}'" for term in phrase.terms]
    if phrase.end is PhraseEnd.PREFIX:
        quoted[-1] += ":*"
    return quoted
