"""
The index of texts on SQLite: FTS5 over a table of terms.

Terms come made and separated by spaces, so that the tokenizer has nothing to decide:
``ascii`` takes all characters beyond ASCII as parts of words, whatever version of
Unicode SQLite knows. Neither places nor sizes are kept (``detail=none``,
``columnsize=0``): phrases are compared with the rows themselves, and an index without
them takes less than half the room and time.

The content is external, which leaves it to triggers to tell FTS5 what is removed. That
way everything that removes events, whatever program it is in, removes their words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import UnsupportedOperationError
from asm_async.sql.core.text_tables import text_rows
from asm_async.sql.dialects.text_index import Split, TextIndexDialect
from asm_async.values.text_query import Phrase, PhraseEnd, TextQuery

_HAS_FTS = "SELECT EXISTS (SELECT 1 FROM pragma_module_list WHERE name = 'fts5')"

_CREATE_TABLES = (
    """
    CREATE TABLE asm_text_rows (
        position INTEGER PRIMARY KEY,
        session_id VARCHAR(255) NOT NULL,
        sequence_number INTEGER NOT NULL,
        timestamp INTEGER NOT NULL,
        type VARCHAR(255),
        role VARCHAR(16),
        term_count INTEGER NOT NULL,
        words TEXT NOT NULL
    )
    """,
    """
    CREATE INDEX ix_asm_text_rows_timestamp
        ON asm_text_rows (timestamp, session_id, sequence_number)
    """,
    """
    CREATE UNIQUE INDEX ix_asm_text_rows_titles
        ON asm_text_rows (session_id) WHERE sequence_number = 0
    """,
    """
    CREATE TABLE asm_text_stale_titles (
        id INTEGER PRIMARY KEY, session_id VARCHAR(255) NOT NULL
    )
    """,
    "CREATE TABLE asm_text_index (titles_through VARCHAR(255))",
    "INSERT INTO asm_text_index (titles_through) VALUES ('')",
)

_CREATE_WORDS = """
    CREATE VIRTUAL TABLE asm_text_words USING fts5 (
        words, content = 'asm_text_rows', content_rowid = 'position',
        tokenize = 'ascii', detail = none, columnsize = 0
    )
"""

_CREATE_PARTS = """
    CREATE VIRTUAL TABLE asm_text_parts USING fts5 (
        words, content = 'asm_text_rows', content_rowid = 'position',
        tokenize = 'trigram case_sensitive 1', detail = none, columnsize = 0
    )
"""

_CREATE_TRIGGERS = (
    """
    CREATE TRIGGER asm_text_row_added AFTER INSERT ON asm_text_rows BEGIN
        INSERT INTO asm_text_words (rowid, words) VALUES (NEW.position, NEW.words);
        INSERT INTO asm_text_parts (rowid, words) VALUES (NEW.position, NEW.words);
    END
    """,
    """
    CREATE TRIGGER asm_text_row_removed AFTER DELETE ON asm_text_rows BEGIN
        INSERT INTO asm_text_words (asm_text_words, rowid, words)
            VALUES ('delete', OLD.position, OLD.words);
        INSERT INTO asm_text_parts (asm_text_parts, rowid, words)
            VALUES ('delete', OLD.position, OLD.words);
    END
    """,
    """
    CREATE TRIGGER asm_text_event_removed AFTER DELETE ON asm_events BEGIN
        DELETE FROM asm_text_rows WHERE position = OLD.position;
    END
    """,
    """
    CREATE TRIGGER asm_text_session_removed AFTER DELETE ON asm_sessions BEGIN
        DELETE FROM asm_text_rows
            WHERE session_id = OLD.id AND sequence_number = 0;
    END
    """,
    """
    CREATE TRIGGER asm_text_session_added AFTER INSERT ON asm_sessions BEGIN
        INSERT INTO asm_text_stale_titles (session_id) VALUES (NEW.id);
    END
    """,
    """
    CREATE TRIGGER asm_text_session_saved AFTER UPDATE OF metadata ON asm_sessions
    WHEN OLD.metadata IS NOT NEW.metadata BEGIN
        INSERT INTO asm_text_stale_titles (session_id) VALUES (NEW.id);
    END
    """,
)

_DROP = (
    "DROP TRIGGER IF EXISTS asm_text_event_removed",
    "DROP TRIGGER IF EXISTS asm_text_session_removed",
    "DROP TRIGGER IF EXISTS asm_text_session_added",
    "DROP TRIGGER IF EXISTS asm_text_session_saved",
    "DROP TABLE IF EXISTS asm_text_words",
    "DROP TABLE IF EXISTS asm_text_parts",
    "DROP TABLE IF EXISTS asm_text_rows",
    "DROP TABLE IF EXISTS asm_text_stale_titles",
    "DROP TABLE IF EXISTS asm_text_index",
)

# A removed word is taken out of the index at once, not when its parts are merged.
_SECURE_DELETE_SINCE = (3, 42)
_SECURE_DELETE = "INSERT INTO {0} ({0}, rank) VALUES ('secure-delete', 1)"

# Nothing writes between this look at the log and the insert: one transaction writes at
# a time. A place in the log is never used again. It is one statement for all, since
# FTS5 writes what it has gathered to the disk before each statement that has triggers.
_INSERT = """
    INSERT INTO asm_text_rows (
        position, session_id, sequence_number, timestamp, type, role, term_count, words
    )
    SELECT position, session_id, sequence_number, timestamp, event.type,
        json_extract(value, '$[2]'), json_extract(value, '$[3]'),
        json_extract(value, '$[4]')
    FROM json_each(?) AS added CROSS JOIN asm_events AS event
    WHERE session_id = json_extract(value, '$[0]')
        AND sequence_number = json_extract(value, '$[1]')
    ON CONFLICT (position) DO NOTHING
"""
_INSERTED = itemgetter("session_id", "sequence_number", "role", "term_count", "words")

_REMOVE_TITLE = sa.text(
    "DELETE FROM asm_text_rows WHERE session_id = :session_id AND sequence_number = 0"
)

# Titles are no events: they have places before the first.
_INSERT_TITLE = sa.text(
    """
    INSERT INTO asm_text_rows (
        position, session_id, sequence_number, timestamp, term_count, words
    )
    SELECT (SELECT min(coalesce(min(position), 0), 0) - 1 FROM asm_text_rows),
        id, 0, created_at, :term_count, :words
    FROM asm_sessions WHERE id = :session_id
    """
)

_ROWID: sa.ColumnElement[int] = sa.literal_column("rowid", sa.Integer)
_POSITION: sa.ColumnElement[int] = sa.literal_column("asm_text_rows.position")


class SQLiteTextIndex(TextIndexDialect):
    """
    FTS5, which most builds of SQLite have.
    """

    async def is_there(self, conn: AsyncConnection) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE name = 'asm_text_index'"
        return (await conn.exec_driver_sql(query)).first() is not None

    async def create(self, conn: AsyncConnection) -> None:
        version = (await conn.exec_driver_sql("SELECT sqlite_version()")).scalar_one()
        has_fts = (await conn.exec_driver_sql(_HAS_FTS)).scalar_one()
        if not has_fts:
            raise UnsupportedOperationError(
                f"SQLite {version} was built without FTS5, which the text index needs:"
                " use a Python whose sqlite3 has it, such as those of python.org"
            )
        for statement in (*_CREATE_TABLES, _CREATE_WORDS, _CREATE_PARTS):
            await conn.exec_driver_sql(statement)
        if tuple(map(int, str(version).split(".")))[:2] >= _SECURE_DELETE_SINCE:
            for name in ("asm_text_words", "asm_text_parts"):
                await conn.exec_driver_sql(_SECURE_DELETE.format(name))
        for statement in _CREATE_TRIGGERS:
            await conn.exec_driver_sql(statement)

    async def drop(self, conn: AsyncConnection) -> None:
        for statement in _DROP:
            await conn.exec_driver_sql(statement)

    async def lock(self, conn: AsyncConnection, timeout: float) -> None:
        """
        Do nothing: BEGIN IMMEDIATE holds all there is.
        """

    async def insert(
        self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]
    ) -> None:
        values = json.dumps([*map(_INSERTED, rows)], ensure_ascii=False)
        await conn.exec_driver_sql(_INSERT, (values,))

    async def insert_titles(
        self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]
    ) -> None:
        await conn.execute(_REMOVE_TITLE, rows)
        if titled := [row for row in rows if row["words"]]:
            await conn.execute(_INSERT_TITLE, titled)

    def narrowed(self, query: TextQuery) -> sa.ColumnElement[bool]:
        return _in_all(_found(query))

    async def split(
        self, conn: AsyncConnection, query: TextQuery, most: int
    ) -> Split | None:
        """
        Ask one index, which gives positions in their order as it finds them.
        """
        found = _found(query)
        in_order = found[0].order_by(_ROWID.desc())
        place = (await conn.scalars(in_order.offset(most).limit(1))).first()
        if place is None:
            return None
        return Split(
            _in_all([each.where(place < _ROWID) for each in found]),
            _in_all([each.where(place >= _ROWID) for each in found]),
        )

    def narrowed_in_order(self, query: TextQuery) -> sa.ColumnElement[bool]:
        """
        Find all of them first, which takes a tenth of a microsecond each.
        """
        position = _POSITION.op("+", is_comparison=False)(0)
        return sa.and_(*(position.in_(found) for found in _found(query)))

    def has_phrase(self, phrase: Phrase) -> sa.ColumnElement[bool]:
        return sa.func.instr(text_rows.c.words, phrase.pattern) > 0

    def byte_length(self, text: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
        return sa.func.length(sa.cast(text, sa.LargeBinary))

    def events_of(self, sessions: sa.Select[str]) -> sa.ColumnElement[bool]:
        log = sa.table("asm_events", sa.column("session_id"), sa.column("position"))
        titles = text_rows.alias("title")
        title = sa.literal_column("title.position", sa.Integer)
        return _POSITION.in_(
            sa.union_all(
                sa.select(log.c.position).where(log.c.session_id.in_(sessions)),
                sa.select(title)
                .select_from(titles)
                .where(
                    titles.c.session_id.in_(sessions), titles.c.sequence_number == 0
                ),
            )
        )


def _in_all(found: Sequence[sa.Select[Any]]) -> sa.ColumnElement[bool]:
    return sa.and_(*map(_POSITION.in_, found))


def _found(query: TextQuery) -> list[sa.Select[Any]]:
    """
    Select where the indexes find the wanted terms, and the wanted parts of terms.
    """
    is_part = [phrase.end is PhraseEnd.PART for phrase in query.wanted]
    terms = [
        quoted
        for phrase, part in zip(query.wanted, is_part, strict=True)
        if not part
        for quoted in _quoted(phrase)
    ]
    trigrams = [
        f'"{phrase.terms[0][at : at + 3]}"'
        for phrase, part in zip(query.wanted, is_part, strict=True)
        if part
        for at in range(len(phrase.terms[0]) - 2)
    ]
    wanted = ("asm_text_words", terms), ("asm_text_parts", trigrams)
    return [
        sa.select(_ROWID)
        .select_from(sa.table(name))
        .where(sa.literal_column(name).match(" AND ".join(dict.fromkeys(quoted))))
        for name, quoted in wanted
        if quoted
    ]


def _quoted(phrase: Phrase) -> list[str]:
    """
    Quote terms for FTS5; a term is letters and digits, so that nothing is escaped.
    """
    quoted = [f'"{term}"' for term in phrase.terms]
    if phrase.end is PhraseEnd.PREFIX:
        quoted[-1] += "*"
    return quoted
