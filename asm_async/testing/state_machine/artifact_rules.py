"""
The rules of the artifact registry.
"""

from __future__ import annotations

from datetime import timedelta

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from asm_async.testing.factories import NOON, make_artifact
from asm_async.testing.state_machine.choices import (
    LIMITS,
    SESSION_IDS,
    TIMES,
    Fields,
    some_of,
)
from asm_async.testing.state_machine.twins import TwinMachine
from asm_async.values.artifact import Artifact

__all__ = ["ArtifactRules"]

_IDS = st.sampled_from(["art_1", "art_2", "art_3"])
_KEYS = st.sampled_from(["a.txt", "b.txt", "c.txt"])
_LONG_AGO = NOON - timedelta(days=10_000)
_IN_LONG_TIME = NOON + timedelta(days=10_000)


def _at_noon(artifact: Artifact) -> Artifact:
    """
    Return the artifact with the one time that each database takes from its own clock.
    """
    is_deleted = artifact.deleted_at is not None
    return attrs.evolve(artifact, deleted_at=NOON if is_deleted else None)


def _all_at_noon(artifacts: list[Artifact]) -> list[Artifact]:
    return [_at_noon(artifact) for artifact in artifacts]


class ArtifactRules(TwinMachine):
    """
    Registration, soft deletion, expiry and reads.
    """

    @precondition(lambda self: self.has("artifact_registry"))
    @rule(
        id_=_IDS,
        key=_KEYS,
        fields=some_of(
            session_id=st.none() | SESSION_IDS,
            byte_size=st.integers(0, 2),
            checksum_sha256=st.sampled_from(["0" * 64, "f" * 64]),
            created_at=TIMES,
        ),
    )
    def register(self, id_: str, key: str, fields: Fields) -> None:
        """
        Register an artifact.
        """
        artifact = make_artifact(id=id_, key=key, **fields)
        self.both("artifact_registry", "register", artifact, seen_as=_at_noon)

    @precondition(lambda self: self.has("artifact_registry"))
    @rule(id_=_IDS)
    def get_artifact(self, id_: str) -> None:
        """
        Read an artifact by its id.
        """
        self.both("artifact_registry", "get", id_, seen_as=_at_noon)

    @precondition(lambda self: self.has("artifact_registry"))
    @rule(key=_KEYS)
    def get_artifact_by_key(self, key: str) -> None:
        """
        Read an artifact by its key.
        """
        self.both("artifact_registry", "get_by_key", key, seen_as=_at_noon)

    @precondition(lambda self: self.has("artifact_registry"))
    @rule(
        session_id=SESSION_IDS,
        filters=some_of(include_deleted=st.booleans(), limit=LIMITS),
    )
    def list_artifacts(self, session_id: str, filters: Fields) -> None:
        """
        List and add up a session's artifacts.
        """
        self.both("artifact_registry", "session_stats", session_id)
        self.both(
            "artifact_registry",
            "list_by_session",
            session_id,
            seen_as=_all_at_noon,
            **filters,
        )

    @precondition(lambda self: self.has("artifact_registry"))
    @rule(id_=_IDS)
    def soft_delete_artifact(self, id_: str) -> None:
        """
        Mark an artifact deleted.
        """
        self.both("artifact_registry", "soft_delete", id_, seen_as=_at_noon)

    @precondition(lambda self: self.has("artifact_registry"))
    @rule(before=st.sampled_from([_LONG_AGO, _IN_LONG_TIME]))
    def hard_delete_expired_artifacts(self, before: object) -> None:
        """
        Remove none or all of those that are marked.
        """
        self.both("artifact_registry", "hard_delete_expired", before)

    def compare_contents(self) -> None:
        """
        Compare all artifacts, and which contents they name.
        """
        super().compare_contents()
        if self.has("artifact_registry"):
            for id_ in ("art_1", "art_2", "art_3"):
                self.both("artifact_registry", "get", id_, seen_as=_at_noon)
            checksums = ["0" * 64, "f" * 64]
            self.both("artifact_registry", "named_checksums", checksums)
