"""
Whether an artifact may be registered, by what is stored: the rules of all backends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from asm_async.errors import ArtifactConflictError, ValidationError
from asm_async.values import fields
from asm_async.values.artifact import Artifact


def checked_artifact(artifact: object, name: str) -> Artifact:
    """
    Copy an artifact that may be registered.

    Raises:
        ValidationError: If it is none, or carries what only the registry gives.
    """
    artifact = fields.instance(artifact, name, Artifact)
    if artifact.deleted_at is not None:
        raise ValidationError(
            f"{name}: {artifact.id!r} has deleted_at, which only the registry sets"
        )
    try:
        return attrs.evolve(artifact)
    except ValidationError as error:
        raise ValidationError(f"{name}.{error}") from None


def register_all(
    artifacts: Iterable[Artifact],
    of_id: Callable[[str], Artifact | None],
    of_key: Callable[[str], Artifact | None],
) -> tuple[list[Artifact], list[Artifact]]:
    """
    Decide what registering *artifacts*, one after another, stores.

    Args:
        artifacts: What is to be registered.

        of_id: Finds the stored artifact of an id.

        of_key: Finds the stored artifact of a key.

    Returns:
        What is stored afterwards in the place of each, and those that are new.

    Raises:
        ArtifactConflictError: If an id or a key belongs to another artifact.
    """
    stored: list[Artifact] = []
    ids: dict[str, Artifact] = {}
    keys: dict[str, Artifact] = {}
    for artifact in artifacts:
        before = _registered_before(
            artifact,
            ids.get(artifact.id) or of_id(artifact.id),
            keys.get(artifact.key) or of_key(artifact.key),
        )
        if before is None:
            ids[artifact.id] = keys[artifact.key] = artifact
        stored.append(before or artifact)
    return stored, [*ids.values()]


def _registered_before(
    artifact: Artifact, of_id: Artifact | None, of_key: Artifact | None
) -> Artifact | None:
    found = {f"artifact {artifact.id!r}": of_id, f"key {artifact.key!r}": of_key}
    for subject, stored in found.items():
        if stored is not None:
            if differing := artifact.difference_to(stored):
                raise ArtifactConflictError(subject, differing)
            return stored
    return None
