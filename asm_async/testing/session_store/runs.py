"""
Saving, getting and listing runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import attrs
import pytest

from asm_async.errors import (
    ConflictError,
    InvalidTransitionError,
    RunNotFoundError,
    SessionNotFoundError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import NOON, make_run, make_session
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.values.run import Run, RunStatus

__all__ = ["TestRuns"]


def full_run() -> Run:
    """
    Make a run without a field at its default, but for the one the store gives.
    """
    return make_run(
        status=RunStatus.RUNNING,
        ended_at=NOON + timedelta(seconds=5),
        input={"prompt": "hello"},
        output=["hi"],
        error={"kind": "none"},
        metadata={"attempt": 1},
        turn_count=3,
        token_usage={"input_tokens": 10, "output_tokens": 20, "cached": 5},
        provider="acme",
        provider_metadata={"model": "large"},
        cost_usd=0.125,
    )


def ids_of(runs: Iterable[Run]) -> list[str]:
    """
    Return the ids of *runs*, in their order.
    """
    return [run.id for run in runs]


@pytest.mark.usefixtures("session")
class TestRuns(SessionStoreContract):
    """
    A run belongs to one session for good and is found by its id and by its session.
    """

    async def test_a_new_run_is_stored_as_given(self, store: SessionStore) -> None:
        """
        Every field comes back as it was given, with revision 1.
        """
        stored = await store.save_run(full_run())
        assert stored == attrs.evolve(full_run(), revision=1)
        assert await store.get_run("run_1") == stored

    async def test_saving_again_replaces_every_field(self, store: SessionStore) -> None:
        """
        Nothing of the former value shines through, and the revision rises by one.
        """
        await store.save_run(full_run())
        plain = make_run(status=RunStatus.COMPLETED, revision=7)
        stored = await store.save_run(plain)
        assert stored == attrs.evolve(plain, revision=2)
        assert await store.get_run("run_1") == stored

    async def test_getting_an_unknown_run_raises(self, store: SessionStore) -> None:
        """
        The error names the id that was asked for.
        """
        with pytest.raises(RunNotFoundError) as caught:
            await store.get_run("run_unknown")
        assert caught.value.run_id == "run_unknown"

    async def test_a_run_for_a_session_that_does_not_exist_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        There are no orphans: nothing is stored.
        """
        with pytest.raises(SessionNotFoundError) as caught:
            await store.save_run(make_run(session_id="ses_unknown"))
        assert caught.value.session_id == "ses_unknown"
        with pytest.raises(RunNotFoundError):
            await store.get_run("run_1")

    @needs(Capability.UNIQUE_IDS)
    async def test_a_run_never_changes_its_session(self, store: SessionStore) -> None:
        """
        The id of another session's run is taken, whatever revision is expected.
        """
        stored = await store.save_run(make_run())
        await store.save_session(make_session(id="ses_2"))
        for expected_revision in (None, 0, 1):
            with pytest.raises(ConflictError, match="run_1"):
                await store.save_run(
                    make_run(session_id="ses_2"), expected_revision=expected_revision
                )
        assert await store.get_run("run_1") == stored
        assert await store.list_runs("ses_2") == []

    async def test_a_new_run_may_begin_in_any_status(self, store: SessionStore) -> None:
        """
        A run can be recorded after the fact.
        """
        for status in RunStatus:
            run = make_run(id=f"run_{status}", status=status)
            assert (await store.save_run(run)).status is status

    async def test_a_status_may_only_change_as_the_machine_allows(
        self, store: SessionStore
    ) -> None:
        """
        The stored status decides what may follow; a refused save changes nothing.
        """
        for old, new in [(old, new) for old in RunStatus for new in RunStatus]:
            before = make_run(id=f"run_{old}_{new}", status=old)
            stored = await store.save_run(before)
            after = attrs.evolve(before, status=new, turn_count=1)
            if old.can_become(new):
                expected = await store.save_run(after)
                assert expected == attrs.evolve(after, revision=2)
            else:
                with pytest.raises(InvalidTransitionError, match=before.id) as caught:
                    await store.save_run(after)
                assert (caught.value.current, caught.value.wanted) == (old, new)
                expected = stored
            assert await store.get_run(before.id) == expected

    async def test_runs_are_listed_in_the_order_they_were_started(
        self, store: SessionStore
    ) -> None:
        """
        The time of the start decides, then the id, not the time of saving.
        """
        later = NOON + timedelta(microseconds=1)
        await store.save_run(make_run(id="run_a", started_at=later))
        await store.save_run(make_run(id="run_c"))
        await store.save_run(make_run(id="run_B"))
        listed = await store.list_runs("ses_1")
        assert ids_of(listed) == ["run_B", "run_c", "run_a"]
        assert listed == [await store.get_run(run.id) for run in listed]

    async def test_a_list_of_runs_is_narrowed_by_status_and_limit(
        self, store: SessionStore
    ) -> None:
        """
        A limit counts what matches; a limit of 0 gives nothing.
        """
        for number in range(6):
            status = RunStatus.RUNNING if number % 2 else RunStatus.COMPLETED
            await store.save_run(make_run(id=f"run_{number}", status=status))
        running = await store.list_runs("ses_1", status=RunStatus.RUNNING)
        assert ids_of(running) == ["run_1", "run_3", "run_5"]
        assert ids_of(await store.list_runs("ses_1", limit=2)) == ["run_0", "run_1"]
        both = await store.list_runs("ses_1", status=RunStatus.RUNNING, limit=2)
        assert ids_of(both) == ["run_1", "run_3"]
        assert await store.list_runs("ses_1", limit=0) == []

    async def test_a_list_holds_only_the_sessions_own_runs(
        self, store: SessionStore
    ) -> None:
        """
        Other sessions' runs stay out; an unknown session has none.
        """
        await store.save_session(make_session(id="ses_2"))
        await store.save_run(make_run())
        await store.save_run(make_run(id="run_2", session_id="ses_2"))
        assert ids_of(await store.list_runs("ses_2")) == ["run_2"]
        assert await store.list_runs("ses_unknown") == []

    async def test_the_active_run_is_the_last_started_that_is_running(
        self, store: SessionStore
    ) -> None:
        """
        Of several running runs the one that was started last, then the greatest id.
        """
        running = {"status": RunStatus.RUNNING}
        later = NOON + timedelta(seconds=1)
        await store.save_run(make_run(id="run_2", started_at=later, **running))
        await store.save_run(make_run(id="run_1", started_at=later, **running))
        await store.save_run(make_run(id="run_3", **running))
        await store.save_run(make_run(id="run_4", started_at=later))
        assert await store.get_active_run("ses_1") == await store.get_run("run_2")

    async def test_without_a_running_run_none_is_active(
        self, store: SessionStore
    ) -> None:
        """
        Runs that wait or are over are not active; an unknown session has none.
        """
        for status in set(RunStatus) - {RunStatus.RUNNING}:
            await store.save_run(make_run(id=f"run_{status}", status=status))
        assert await store.get_active_run("ses_1") is None
        assert await store.get_active_run("ses_unknown") is None

    async def test_a_run_that_has_ended_is_active_no_more(
        self, store: SessionStore
    ) -> None:
        """
        The active run is found by its latest status.
        """
        run = await store.save_run(make_run(status=RunStatus.RUNNING))
        assert await store.get_active_run("ses_1") == run
        await store.save_run(run.set_output("done", at=NOON))
        assert await store.get_active_run("ses_1") is None
