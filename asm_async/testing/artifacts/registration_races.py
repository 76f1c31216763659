"""
Registrations at the same time, beside deletions, and cancelled.
"""

from __future__ import annotations

import pytest

from asm_async.errors import (
    ArtifactConflictError,
    ArtifactNotFoundError,
    SessionNotFoundError,
)
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.session_store import SessionStore
from asm_async.testing.artifacts.contract import ArtifactRegistryContract
from asm_async.testing.backend import ArtifactRegistryBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import cancel_after, race, run_together
from asm_async.testing.factories import make_artifact, make_session
from asm_async.values.artifact import Artifact

__all__ = ["TestRegistrationRaces"]


class TestRegistrationRaces(ArtifactRegistryContract):
    """
    Of several who want one key, one gets it, and no artifact is without its session.
    """

    @needs(Capability.UNIQUE_IDS, only=["ses_1"])
    @pytest.mark.parametrize("session_id", ["ses_1", None])
    @pytest.mark.usefixtures("session")
    async def test_one_of_many_gets_a_key(
        self, backend: ArtifactRegistryBackend, session_id: str | None
    ) -> None:
        """
        The others are told that it is taken, also across sessions.
        """
        registries = [await backend.open_artifact_registry() for _ in range(6)]
        outcomes = await race(
            registry.register(
                make_artifact(
                    id=f"art_{number}",
                    byte_size=number,
                    session_id=None if number % 2 else session_id,
                )
            )
            for number, registry in enumerate(registries)
        )
        [winner] = [one for one in outcomes if isinstance(one, Artifact)]
        losers = [one for one in outcomes if isinstance(one, ArtifactConflictError)]
        assert len(losers) == 5
        assert await registries[0].get_by_key("report.txt") == winner

    @pytest.mark.parametrize("session_id", ["ses_1", None])
    @pytest.mark.usefixtures("session")
    async def test_all_who_register_the_same_get_the_same(
        self, backend: ArtifactRegistryBackend, session_id: str | None
    ) -> None:
        """
        Each with an id of its own, one of which is stored.
        """
        registries = [await backend.open_artifact_registry() for _ in range(6)]
        given = [
            make_artifact(id=f"art_{number}", session_id=session_id)
            for number in range(6)
        ]
        calls = zip(registries, given, strict=True)
        outcomes = await run_together(r.register(artifact) for r, artifact in calls)
        [stored] = {artifact.id for artifact in outcomes}
        assert await registries[0].get_by_key("report.txt") == given[int(stored[4:])]

    async def test_no_artifact_outlives_its_session(
        self, registry: ArtifactRegistry, store: SessionStore
    ) -> None:
        """
        A registration beside the session's deletion comes before it or is refused.
        """
        for number in range(8):
            session_id, artifact_id = f"ses_{number}", f"art_{number}"
            await store.save_session(make_session(id=session_id))
            artifact = make_artifact(
                id=artifact_id, key=artifact_id, session_id=session_id
            )
            outcomes = await race(
                [registry.register(artifact), store.delete_session(session_id)]
            )
            assert isinstance(outcomes[0], Artifact | SessionNotFoundError)
            with pytest.raises(ArtifactNotFoundError):
                await registry.get(artifact_id)

    @pytest.mark.usefixtures("session")
    async def test_a_cancelled_registration_is_settled_when_it_returns(
        self, registry: ArtifactRegistry, backend: ArtifactRegistryBackend
    ) -> None:
        """
        Whenever it is cancelled; repeating it gives the artifact that was meant.
        """
        another = await backend.open_artifact_registry()
        turns, result = 0, None
        while result is None:
            artifact = make_artifact(id=f"art_{turns}", key=f"key_{turns}")
            result = await cancel_after(turns, registry.register(artifact))
            before = await another.list_by_session("ses_1")
            assert await another.register(artifact) == artifact
            after = await another.list_by_session("ses_1")
            assert len(after) - len(before) in {0, 1}
            assert result is None or before == after
            turns += 1 + turns // 12
