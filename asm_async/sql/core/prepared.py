"""
Statements that are built and compiled once, and run on a driver's own connection.

SQLAlchemy builds, caches and wraps a statement again for each execution, which takes
longer than the statement itself. Here its Core writes the text once; what remains for
each execution are the parameters and the rows.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import attrs
from sqlalchemy.types import NullType, UserDefinedType

from asm_async.sql.core.column_types import Processor

T = TypeVar("T")

Row: TypeAlias = Sequence[Any]


class Step(NamedTuple):
    """
    One statement of a script, with its parameters as the driver takes them.
    """

    sql: str
    parameters: Sequence[Any]
    """
    Those of one execution; where *is_many*, those of each.
    """

    is_many: bool = False
    """
    Whether the statement is executed once for each member, and returns no rows.
    """


Script: TypeAlias = Generator[Step | Sequence[Step], Sequence[Row], T]
"""
Work that is the same over any driver: yields steps, and is sent the rows of each.

Several steps at once write to different tables, in any order, and return no rows.
"""


@attrs.frozen
class Prepared:
    """
    One statement in the text of one database.
    """

    sql: str
    names: tuple[str, ...]
    """
    The parameters, in the order in which the driver takes them.
    """

    _constants: Mapping[str, Any]
    """
    The values of parameters that SQLAlchemy made by itself.
    """

    _binders: tuple[tuple[int, Processor], ...]
    _readers: tuple[tuple[int, Processor], ...]

    def bind(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """
        Return the parameters of one execution, as the driver takes them.
        """
        if self._constants:
            values = {**self._constants, **values}
        bound = [values[name] for name in self.names]
        for index, convert in self._binders:
            bound[index] = convert(bound[index])
        return tuple(bound)

    def one(self, values: Mapping[str, Any]) -> Step:
        """
        Return the step that executes it once.
        """
        return Step(self.sql, self.bind(values))

    def many(self, values: Iterable[Mapping[str, Any]]) -> Step:
        """
        Return the step that executes it once for each of *values*.
        """
        bound = [self.bind(each) for each in values]
        if len(bound) == 1:
            return Step(self.sql, bound[0])
        return Step(self.sql, bound, is_many=True)

    def read(self, rows: Iterable[Row]) -> list[list[Any]]:
        """
        Return rows with the columns' values in place of the driver's.
        """
        return [self.read_row(row) for row in rows]

    def read_row(self, row: Row) -> list[Any]:
        """
        Return one row with the columns' values in place of the driver's.
        """
        values = list(row)
        for index, convert in self._readers:
            values[index] = convert(values[index])
        return values


def prepare(statement: Any, dialect: Any) -> Prepared:
    """
    Compile a statement whose values are all bound parameters.

    Args:
        statement: Without lists that expand; its parameters are told by their names.

        dialect: Whose text it shall be, for a driver that takes parameters by position.
    """
    compiled = statement.compile(dialect=dialect)
    names: tuple[str, ...] = tuple(compiled.positiontup or ())
    constants: dict[str, Any] = {}
    binders: list[tuple[int, Processor]] = []
    for index, name in enumerate(names):
        parameter = compiled.binds[name]
        if parameter.value is not None:
            constants[name] = parameter.value
        if bind := _own_type(parameter.type, dialect).bind_processor(dialect):
            binders.append((index, bind))
    readers: list[tuple[int, Processor]] = []
    for index, column in enumerate(getattr(statement, "selected_columns", ())):
        own = _own_type(column.type, dialect)
        if read := own.result_processor(dialect, None):
            readers.append((index, read))
    text: str = compiled.string
    return Prepared(text, names, constants, tuple(binders), tuple(readers))


def _own_type(kind: Any, dialect: Any) -> Any:
    """
    Return the type if it is one of ours, which alone need a conversion here.
    """
    implementation: Any = kind.dialect_impl(dialect)
    if UserDefinedType in type(implementation).__mro__:
        return implementation
    return NullType()
