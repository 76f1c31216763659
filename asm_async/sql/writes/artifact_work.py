"""
What a group of operations sees and changes of the registry of artifacts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import sqlalchemy as sa

from asm_async.fronts.registering import register_all
from asm_async.sql.core import rows
from asm_async.sql.core.prepared import Prepared, Script, Step, prepare
from asm_async.sql.core.tables import artifacts
from asm_async.sql.dialects import Dialect
from asm_async.values.artifact import Artifact


class ArtifactWork:
    """
    The registered artifacts that a group's operations concern, and those they register.
    """

    def __init__(self, stored: Iterable[Artifact] = ()) -> None:
        self._ids = {artifact.id: artifact for artifact in stored}
        self._keys = {artifact.key: artifact for artifact in stored}
        self._new: list[Artifact] = []

    def registrations(
        self, wanted: Iterable[Artifact]
    ) -> tuple[list[Artifact], list[Artifact]]:
        """
        Return what is stored once artifacts are registered, and which of them are new.

        Raises:
            ArtifactConflictError: If an id or a key belongs to another artifact.
        """
        return register_all(wanted, self._ids.get, self._keys.get)

    def add(self, new: Iterable[Artifact]) -> None:
        """
        Register artifacts whose ids and keys are free.
        """
        for artifact in new:
            self._ids[artifact.id] = self._keys[artifact.key] = artifact
            self._new.append(artifact)

    def changes(self, dialect: Dialect) -> Iterator[Step]:
        """
        Yield the step that writes what is new, if anything is.
        """
        if self._new:
            # One order for all, or transactions of several sessions could wait for each
            # other: ids and keys are global.
            new = sorted(self._new, key=lambda artifact: artifact.id)
            yield _inserting(dialect).many(map(rows.artifact_row, new))


def load_artifacts(
    dialect: Dialect, wanted: Iterable[Artifact]
) -> Script[ArtifactWork]:
    """
    Read the registered artifacts that have an id or a key of those that are *wanted*.
    """
    ids = {artifact.id for artifact in wanted}
    if not ids:
        return ArtifactWork()
    keys = {artifact.key for artifact in wanted}
    query = _registered(dialect)
    parameters = {"ids": dialect.list_value(ids), "keys": dialect.list_value(keys)}
    found = query.read((yield query.one(parameters)))
    return ArtifactWork([*map(rows.artifact_of, found)])


@cache
def _registered(dialect: Dialect) -> Prepared:
    is_one_of = dialect.is_one_of_parameter
    query = sa.select(artifacts).where(
        is_one_of(artifacts.c.id, "ids") | is_one_of(artifacts.c.key, "keys")
    )
    return prepare(query, dialect.compiler)


@cache
def _inserting(dialect: Dialect) -> Prepared:
    return prepare(sa.insert(artifacts), dialect.compiler)
