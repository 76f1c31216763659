"""
Where a database makes tables, and what lies there already.

It is read on any connection of SQLAlchemy's, a host's synchronous one too.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import attrs
import sqlalchemy as sa

from asm_async.errors import MigrationRequiredError

# SQLAlchemy's has_table() looks through the whole search_path, where CREATE goes to its
# first schema; and it knows that schema from the engine's first connection.
_FIRST_SCHEMA = sa.text(
    """
    SELECT current_schema(), current_setting('search_path'), ARRAY(
        SELECT relname::text FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = current_schema() AND starts_with(relname::text, 'asm_')
            AND relkind IN ('r', 'p', 'v', 'm', 'f')
    )
    """
)

_FOUND_ELSEWHERE = sa.text(
    """
    SELECT name FROM unnest(CAST(:names AS TEXT[])) AS name
    WHERE to_regclass(name) IS NOT NULL
    """
)

_SET_PATH = sa.text("SELECT set_config('search_path', :path, true)")


@attrs.frozen(kw_only=True)
class Catalogue:
    """
    What a database says of the tables where ours go.
    """

    names: frozenset[str] = frozenset()
    """
    The tables and views that lie there; on PostgreSQL, those that begin as ours do.
    """

    schema: str | None = None
    """
    The schema that CREATE makes tables in; None where there is no choice.
    """

    search_path: str = ""

    @property
    def place(self) -> str:
        """
        What to call it in a message.
        """
        return "the database" if self.schema is None else f"the schema {self.schema}"


def read_catalogue(conn: sa.Connection) -> Catalogue:
    """
    Look where a table would be made, with one statement that spoils no transaction.

    Raises:
        MigrationRequiredError: If it could be made nowhere.
    """
    if conn.dialect.name != "postgresql":
        return Catalogue(names=frozenset(sa.inspect(conn).get_table_names()))
    schema, search_path, names = conn.execute(_FIRST_SCHEMA).one()
    if schema is None:
        raise MigrationRequiredError(
            f"search_path ({search_path or 'it is empty'}): it has no schema that"
            " exists and that this role may use: create one, GRANT USAGE on it, or"
            " choose another, such as with ?options=-csearch_path%3Dpublic in the URL"
        )
    return Catalogue(schema=schema, search_path=search_path, names=frozenset(names))


def found_elsewhere(conn: sa.Connection, names: Sequence[str]) -> list[str]:
    """
    Return those *names*, none of which is in the first schema, that mean a table.
    """
    if conn.dialect.name != "postgresql":
        return []
    return [*conn.scalars(_FOUND_ELSEWHERE, {"names": names})]


@contextmanager
def first_schema_alone(conn: sa.Connection, catalogue: Catalogue) -> Generator[None]:
    """
    Have names mean what lies in the first schema, until the context or the work ends.

    A table that is missing there would be another application's, further down the path.
    """
    if catalogue.schema is None:
        yield
        return
    quoted = conn.dialect.identifier_preparer.quote_identifier(catalogue.schema)
    conn.execute(_SET_PATH, {"path": quoted})
    yield
    conn.execute(_SET_PATH, {"path": catalogue.search_path})
