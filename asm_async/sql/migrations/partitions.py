"""
The layout in hash partitions: the same tables, each of a session's in several parts.

A script of SQL creates a table in one piece; here its statement becomes that of a
partitioned table and of its partitions. Statements of indexes, triggers and later
columns need no change: PostgreSQL passes them on to the partitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

# By the session's id in each: what belongs to one session lies in partitions of one
# number. Artifacts and state items need not belong to a session, and are found and kept
# unique by other keys; so is what outlives its session, or serves all of them.
_KEYS: Final[Mapping[str, str]] = {
    "asm_sessions": "id",
    "asm_session_tags": "session_id",
    "asm_runs": "session_id",
    "asm_events": "session_id",
    "asm_session_sequences": "session_id",
}

_CREATE_TABLE = re.compile(
    r"CREATE TABLE (?P<name>\w+) \((?P<columns>.*?)\n\)"
    r"( WITH \((?P<settings>.*?)\n?\))?",
    re.DOTALL,
)
_PRIMARY_KEY = re.compile(r"(?<=\n    PRIMARY KEY \()[^)]*")
_PARTITION_NAME = re.compile(r"(?P<table>\w+)_p\d+")

# A unique key of a partitioned table has the session's id in it, so that the id of a
# run alone is kept unique by a table of its own, in the same statement as the run.
_UNIQUE_RUNS: Final = (
    """\
CREATE TABLE asm_run_ids (
    run_id VARCHAR(255) COLLATE "C" NOT NULL PRIMARY KEY
)""",
    """\
CREATE FUNCTION asm_run_ids_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO asm_run_ids SELECT id FROM added ORDER BY id; RETURN NULL; --
END $$""",
    """\
CREATE TRIGGER asm_run_ids_added AFTER INSERT ON asm_runs
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION asm_run_ids_added()""",
    """\
CREATE FUNCTION asm_run_ids_removed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM asm_run_ids USING removed WHERE run_id = id; RETURN NULL; --
END $$""",
    """\
CREATE TRIGGER asm_run_ids_removed AFTER DELETE ON asm_runs
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION asm_run_ids_removed()""",
)

_RUN_IDS: Final = "asm_run_ids"


def laid_out(statement: str, partitions: int | None) -> Iterator[str]:
    """
    Yield a statement as it is, or what it becomes in a schema of partitions.
    """
    created = _CREATE_TABLE.fullmatch(statement)
    if partitions is None or created is None or created["name"] not in _KEYS:
        yield statement
        return
    name, key = created["name"], _KEYS[created["name"]]
    columns = _PRIMARY_KEY.sub(
        lambda found: _with_key(found[0], key), created["columns"]
    )
    yield f"CREATE TABLE {name} ({columns}\n) PARTITION BY HASH ({key})"
    # A partitioned table holds nothing, and so takes no settings of storage.
    settings = f"\n    WITH ({created['settings']})" if created["settings"] else ""
    for number in range(partitions):
        yield (
            f"CREATE TABLE {name}_p{number} PARTITION OF {name}\n"
            f"    FOR VALUES WITH (MODULUS {partitions}, REMAINDER {number}){settings}"
        )
    if name == "asm_runs":
        yield from _UNIQUE_RUNS


def is_of_partitions(name: str) -> bool:
    """
    Return whether a table is there only where the schema is partitioned.
    """
    partition = _PARTITION_NAME.fullmatch(name)
    return name == _RUN_IDS or (partition is not None and partition["table"] in _KEYS)


def _with_key(columns: str, key: str) -> str:
    return columns if key in columns.split(", ") else f"{columns}, {key}"
