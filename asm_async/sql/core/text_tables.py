"""
The tables of the text index, which exist only where there is one.

No migration creates them: the index does, and drops them. So a database whose SQLite
has no full-text search can be migrated, and one in which nobody searches for text has
no more tables and triggers than before.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table, Text

from asm_async.sql.core.column_types import EventTypeText, count, text, utc_time

TEXT_METADATA: MetaData = MetaData()

# One row for each event that has text, and for each session that has a title: number 0,
# at the time when the session was created. Words stand in it as
# asm_async.values.text_query.indexed_text() writes them, which is what queries are
# compared with; all that the databases make of them only narrows down where to look.
text_rows: Table = Table(
    "asm_text_rows",
    TEXT_METADATA,
    Column("session_id", text(), primary_key=True),
    Column("sequence_number", count(), primary_key=True, autoincrement=False),
    Column("timestamp", utc_time(), nullable=False),
    Column("type", EventTypeText),
    Column("role", String(16)),
    Column("term_count", Integer, nullable=False),
    Column("words", Text, nullable=False),
)

# Sessions that were saved since their titles were indexed last, by triggers; one that
# is saved twice stands here twice, so that nobody waits for anybody.
stale_titles: Table = Table(
    "asm_text_stale_titles",
    TEXT_METADATA,
    Column("id", count(), primary_key=True),
    Column("session_id", text(), nullable=False),
)

# One row. When the index is made, sessions are stored already: they are gone through in
# the order of their ids, up to this one so far; null once all were.
index_state: Table = Table(
    "asm_text_index",
    TEXT_METADATA,
    Column("titles_through", text()),
)

ALL_TEXT_TABLES: frozenset[str] = frozenset(
    {
        *TEXT_METADATA.tables,
        # What SQLite's FTS5 keeps its indexes in.
        *(
            f"asm_text_{name}{suffix}"
            for name in ("words", "parts")
            for suffix in ("", "_data", "_idx", "_config")
        ),
    }
)
"""
The names of all tables that belong to the index, in either database.
"""
