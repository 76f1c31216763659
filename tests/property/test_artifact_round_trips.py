"""
Whatever artifact Hypothesis can think of comes back from every registry as it went in.
"""

from __future__ import annotations

from hypothesis import HealthCheck, assume, given, settings

from asm_async.errors import ArtifactNotFoundError
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.session_store import SessionStore
from asm_async.testing import strategies
from asm_async.testing.artifacts.contract import ArtifactRegistryContract
from asm_async.testing.factories import make_session
from asm_async.values.artifact import Artifact
from asm_async.values.json_values import encode_json
from tests.effort import examples


async def is_free(registry: ArtifactRegistry, artifact: Artifact) -> bool:
    """
    Return whether neither its id nor its key was drawn before.
    """
    for find, wanted in (
        (registry.get, artifact.id),
        (registry.get_by_key, artifact.key),
    ):
        try:
            await find(wanted)
        except ArtifactNotFoundError:
            continue
        return False
    return True


class TestArtifactRoundTrips(ArtifactRegistryContract):
    """
    What is read equals what was given, and a repetition is recognised.
    """

    @settings(
        max_examples=examples(40),
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
        ],
    )
    @given(artifact=strategies.artifacts())
    async def test_any_artifact_comes_back(
        self, registry: ArtifactRegistry, store: SessionStore, artifact: Artifact
    ) -> None:
        """
        By id, by key, in its session's list, and when it is registered again.
        """
        assume(await is_free(registry, artifact))
        if artifact.session_id is not None:
            await store.save_session(make_session(id=artifact.session_id))
        registered = await registry.register(artifact)
        found = [
            registered,
            await registry.register(artifact),
            await registry.get(artifact.id),
            await registry.get_by_key(artifact.key),
        ]
        if artifact.session_id is not None:
            found += await registry.list_by_session(artifact.session_id, limit=1)
            await store.delete_session(artifact.session_id)
        given_text = encode_json(artifact.to_dict())
        assert {encode_json(one.to_dict()) for one in found} == {given_text}
