"""
Artifacts that are registered by a commit, with what mentions them.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.errors import (
    ArtifactConflictError,
    ArtifactNotFoundError,
    EventConflictError,
    RevisionConflictError,
    SequenceConflictError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.session_store import SessionStore
from asm_async.testing.artifacts.contract import ArtifactRegistryContract
from asm_async.testing.backend import ArtifactRegistryBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import cancel_after, race, run_together
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_session,
)
from asm_async.values.artifact import Artifact
from asm_async.values.changes import Changes, Committed

__all__ = ["TestCommittedArtifacts"]


class TestCommittedArtifacts(ArtifactRegistryContract):
    """
    An artifact and the event that mentions it are stored together, or neither is.
    """

    async def test_a_new_session_an_event_and_an_artifact_come_together(
        self, store: SessionStore, registry: ArtifactRegistry
    ) -> None:
        """
        The artifact may belong to the session that the commit brings along.
        """
        artifact = make_artifact()
        stored = await store.commit(
            Changes(
                create_session=make_session(),
                events=(make_event(),),
                artifacts=(artifact,),
            )
        )
        assert stored.artifacts == (artifact,)
        assert await registry.get("art_1") == artifact
        assert await store.get_latest_sequence("ses_1") == 1

    @pytest.mark.usefixtures("session")
    async def test_artifacts_alone_are_a_commit(
        self, store: SessionStore, registry: ArtifactRegistry
    ) -> None:
        """
        Several are registered together.
        """
        artifacts = tuple(
            make_artifact(id=f"art_{number}", key=f"key_{number}")
            for number in range(3)
        )
        stored = await store.commit(Changes(artifacts=artifacts))
        assert stored == Committed(artifacts=artifacts)
        assert await registry.list_by_session("ses_1") == list(artifacts)

    @pytest.mark.usefixtures("session")
    async def test_a_repeated_commit_registers_nothing_twice(
        self, store: SessionStore, registry: ArtifactRegistry
    ) -> None:
        """
        The stored artifact is returned, also if only its id and time differ.
        """
        artifact = make_artifact()
        changes = Changes(events=(make_event(),), artifacts=(artifact,))
        first = await store.commit(changes)
        assert await store.commit(changes) == first
        later = make_artifact(id="art_2", created_at=NOON.replace(hour=13))
        repeated = attrs.evolve(changes, artifacts=(later, later))
        assert (await store.commit(repeated)).artifacts == (artifact, artifact)
        assert await registry.list_by_session("ses_1") == [artifact]

    @pytest.mark.usefixtures("session")
    async def test_what_is_missing_of_a_commit_that_was_done_is_registered(
        self, store: SessionStore, registry: ArtifactRegistry
    ) -> None:
        """
        Events that are stored already do not keep their artifacts out.
        """
        event, artifact = make_event(), make_artifact()
        await store.append_events([event])
        stored = await store.commit(Changes(events=(event,), artifacts=(artifact,)))
        assert [each.sequence_number for each in stored.events] == [1]
        assert await registry.get("art_1") == artifact

    @pytest.mark.usefixtures("session")
    async def test_a_taken_key_keeps_all_of_the_commit_out(
        self, store: SessionStore, registry: ArtifactRegistry
    ) -> None:
        """
        Whether it is stored or stands twice in one commit.
        """
        await registry.register(make_artifact())
        other = make_artifact(id="art_2", byte_size=1)
        events = (make_event(),)
        with pytest.raises(ArtifactConflictError, match="byte_size"):
            await store.commit(Changes(events=events, artifacts=(other,)))
        twice = tuple(
            make_artifact(id=f"art_{number}", key="twice", byte_size=number)
            for number in (3, 4)
        )
        with pytest.raises(ArtifactConflictError, match="byte_size"):
            await store.commit(Changes(events=events, artifacts=twice))
        assert await store.get_latest_sequence("ses_1") == 0
        assert [a.id for a in await registry.list_by_session("ses_1")] == ["art_1"]

    @pytest.mark.usefixtures("session")
    async def test_a_refused_commit_registers_nothing(
        self, store: SessionStore, registry: ArtifactRegistry
    ) -> None:
        """
        Whatever it is refused for.
        """
        await store.append_events([make_event()])
        changes = Changes(
            events=(make_event(id="evt_2"),), artifacts=(make_artifact(),)
        )
        other = make_event(data={"other": True})
        with pytest.raises(EventConflictError):
            await store.commit(attrs.evolve(changes, events=(other,)))
        with pytest.raises(SequenceConflictError):
            await store.commit(changes, expected_sequence=0)
        with pytest.raises(RevisionConflictError):
            await store.commit(changes, expected_revisions={"run_1": 1})
        with pytest.raises(SessionNotFoundError):
            await store.commit(changes, expected_tenant="another")
        with pytest.raises(ArtifactNotFoundError):
            await registry.get("art_1")

    @pytest.mark.usefixtures("session")
    async def test_artifacts_of_others_are_refused(self, store: SessionStore) -> None:
        """
        Of another session, of none, or with what only the registry gives.
        """
        for changed in ({"session_id": "ses_2"}, {"session_id": None}):
            artifact = make_artifact(**changed)
            with pytest.raises(ValidationError, match=r"^artifacts\[0\]"):
                Changes(events=(make_event(),), artifacts=(artifact,))
        with pytest.raises(ValidationError, match=r"^artifacts\[0\]\.session_id"):
            Changes(artifacts=(make_artifact(session_id=None),))
        deleted = Changes(artifacts=(make_artifact(deleted_at=NOON),))
        with pytest.raises(ValidationError, match=r"^changes\.artifacts\[0\]: 'art_1'"):
            await store.commit(deleted)

    @needs(Capability.UNIQUE_IDS)
    async def test_one_of_many_sessions_gets_a_key(
        self, backend: ArtifactRegistryBackend, registry: ArtifactRegistry
    ) -> None:
        """
        The commits of the others are refused whole, whatever transactions they share.
        """
        stores = [await backend.open_store() for _ in range(2)]
        for number in range(6):
            await stores[0].save_session(make_session(id=f"ses_{number}"))
        outcomes = await race(
            stores[number % 2].commit(
                Changes(
                    events=(make_event(session_id=f"ses_{number}"),),
                    artifacts=(
                        make_artifact(id=f"art_{number}", session_id=f"ses_{number}"),
                    ),
                )
            )
            for number in range(6)
        )
        winners = [
            number
            for number, outcome in enumerate(outcomes)
            if isinstance(outcome, Committed)
        ]
        losers = [one for one in outcomes if isinstance(one, ArtifactConflictError)]
        assert (len(winners), len(losers)) == (1, 5)
        stored = await registry.get_by_key("report.txt")
        assert stored.session_id == f"ses_{winners[0]}"
        latest = [await stores[0].get_latest_sequence(f"ses_{n}") for n in range(6)]
        assert latest == [int(number in winners) for number in range(6)]
        for store in stores:
            await store.aclose()

    @pytest.mark.usefixtures("session")
    async def test_commits_that_share_a_transaction_know_of_each_other(
        self, store: SessionStore, registry: ArtifactRegistry
    ) -> None:
        """
        The same artifact is registered once.
        """
        committed = await run_together(
            store.commit(
                Changes(
                    events=(make_event(id=f"evt_{number}"),),
                    artifacts=(make_artifact(id=f"art_{number}"),),
                )
            )
            for number in range(8)
        )
        [stored] = {artifact.id for each in committed for artifact in each.artifacts}
        assert [a.id for a in await registry.list_by_session("ses_1")] == [stored]

    @pytest.mark.usefixtures("session")
    async def test_a_cancelled_commit_is_whole_or_not_at_all(
        self, store: SessionStore, registry: ArtifactRegistry
    ) -> None:
        """
        Whenever it is cancelled, the event and the artifact are both there or neither.
        """
        turns, result = 0, None
        while result is None:
            artifact = make_artifact(id=f"art_{turns}", key=f"key_{turns}")
            changes = Changes(
                events=(make_event(id=f"evt_{turns}"),), artifacts=(artifact,)
            )
            result = await cancel_after(turns, store.commit(changes))
            events = await store.get_events("ses_1", ids=[f"evt_{turns}"])
            known: list[Artifact] = await registry.list_by_session("ses_1")
            assert (artifact in known) == bool(events)
            turns += 1 + turns // 12
