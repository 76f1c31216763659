"""
Calls that expect whose a session is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import (
    ConflictError,
    RunNotFoundError,
    SequenceConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import race
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
    session_of,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.changes import Changes
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import RunStatus
from asm_async.values.session import Session

__all__ = ["TestExpectedTenants"]


def _mine(session_id: str) -> ExecutionResult:
    return make_execution_result(
        session=make_session(id=session_id, tenant_id="mine"),
        run=make_run(id="run_new", session_id=session_id),
        events=make_events(1, first=7, session_id=session_id),
    )


# What each method is given, beside the tenant, to do with a session of this id.
_SUBJECTS: Mapping[str, Callable[[str], object]] = {
    "get_session": str,
    "list_runs": str,
    "get_active_run": str,
    "get_events": str,
    "get_latest_sequence": str,
    "save_run": lambda id_: make_run(id="run_new", session_id=id_),
    "append_event": lambda id_: make_event(id="evt_7", session_id=id_),
    "append_event_with_sequence": lambda id_: make_event(id="evt_8", session_id=id_),
    "append_events": lambda id_: make_events(3, first=9, session_id=id_),
    "flush": lambda id_: attrs.evolve(_mine(id_), session=None),
    "commit": lambda id_: Changes(runs=(make_run(id="run_9", session_id=id_),)),
    "update_session": str,
    "retract_events": str,
    "copy_session": str,
    "delete_session": str,
}


# What some take beside that.
_OTHERS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "update_session": {"change": Session.with_metadata},
        "retract_events": {"first": 1, "last": 2},
        "copy_session": {"target": make_session(id="copy", tenant_id="mine")},
    }
)


async def _call(store: SessionStore, name: str, session_id: str, tenant: str) -> None:
    subject, others = _SUBJECTS[name](session_id), _OTHERS.get(name, {})
    await getattr(store, name)(subject, **others, expected_tenant=tenant)


class TestExpectedTenants(SessionStoreContract):
    """
    What is not of the expected tenant does not exist for a call.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def sessions(self, store: SessionStore) -> None:
        """
        Store a session of each of two tenants, and one of none, with a run and events.
        """
        for id_, tenant_id in (("mine", "mine"), ("theirs", "theirs"), ("none", None)):
            session = make_session(id=id_, tenant_id=tenant_id)
            run = make_run(id=f"run_{id_}", session_id=id_, status=RunStatus.RUNNING)
            events = make_events(2, session_id=id_)
            result = make_execution_result(session=session, run=run, events=events)
            await store.flush(result)

    @needs(Capability.SPANS_SESSIONS, only=["copy_session"])
    @pytest.mark.parametrize("name", _SUBJECTS)
    async def test_what_is_anothers_is_not_found(
        self, store: SessionStore, name: str
    ) -> None:
        """
        The error is that which an unknown id gives; one's own session is found.
        """
        theirs = [await store.get_session("theirs"), await store.get_session("none")]
        for id_ in ("theirs", "none", "unknown"):
            with pytest.raises(SessionNotFoundError) as caught:
                await _call(store, name, id_, "mine")
            assert caught.value.args == (id_,)
        for id_, session in zip(("theirs", "none"), theirs, strict=True):
            assert await store.get_session(id_) == session
            assert await store.get_latest_sequence(id_) == 2
            assert len(await store.list_runs(id_)) == 1
        await _call(store, name, "mine", "mine")

    async def test_reads_give_what_is_there(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        All of one's own, and nothing where there is nothing, which is no error.
        """
        for reader in (store, await open_store()):
            session = await reader.get_session("mine", expected_tenant="mine")
            run = await reader.get_run("run_mine", expected_tenant="mine")
            events = await reader.get_events("mine", last=1, expected_tenant="mine")
            assert (session.id, run.id, numbers_of(events)) == ("mine", "run_mine", [2])
            latest = await reader.get_latest_sequence("mine", expected_tenant="mine")
            assert latest == 2
            assert (
                await reader.get_active_run("mine", expected_tenant="mine")
                == run
                == (await reader.list_runs("mine", expected_tenant="mine"))[0]
            )
            nothing = await reader.get_events("mine", after=2, expected_tenant="mine")
            assert nothing == []
            failed = await reader.list_runs(
                "mine", status=RunStatus.FAILED, expected_tenant="mine"
            )
            assert failed == []

    async def test_a_run_is_found_by_its_sessions_tenant(
        self, store: SessionStore
    ) -> None:
        """
        Another's run, one of no tenant and an unknown one are not told apart.
        """
        for id_ in ("run_theirs", "run_none", "run_unknown"):
            with pytest.raises(RunNotFoundError) as caught:
                await store.get_run(id_, expected_tenant="mine")
            assert caught.value.args == (id_,)

    async def test_whose_run_has_an_id_does_not_show(self, store: SessionStore) -> None:
        """
        A tenant that wants to use it finds no such run, and the owner keeps it.
        """
        before = await store.get_run("run_theirs")
        run = make_run(id="run_theirs", session_id="mine")
        for call in (
            store.save_run(run, expected_tenant="mine"),
            store.flush(ExecutionResult(run=run), expected_tenant="mine"),
            store.flush(attrs.evolve(_mine("mine"), run=run), expected_tenant="mine"),
        ):
            with pytest.raises(RunNotFoundError):
                await call
        with pytest.raises(ConflictError, match="theirs"):
            await store.save_run(run)
        assert await store.get_run("run_theirs") == before
        assert (await store.get_session("mine")).revision == 1

    async def test_a_session_is_saved_as_the_tenants(self, store: SessionStore) -> None:
        """
        A new one or its own, never another's; the value must be the tenant's as well.
        """
        for id_ in ("theirs", "none"):
            for call in (
                store.save_session(
                    make_session(id=id_, tenant_id="mine"), expected_tenant="mine"
                ),
                store.flush(_mine(id_), expected_tenant="mine"),
                store.flush(_mine(id_), expected_tenant="mine", expected_revision=1),
            ):
                with pytest.raises(SessionNotFoundError):
                    await call
        for tenant_id in ("theirs", None):
            session = make_session(id="mine", tenant_id=tenant_id)
            wrong = attrs.evolve(_mine("mine"), session=session)
            for call in (
                store.save_session(session, expected_tenant="mine"),
                store.flush(wrong, expected_tenant="mine"),
            ):
                with pytest.raises(ValidationError, match="tenant_id: expected 'mine'"):
                    await call
        for id_ in ("mine", "new"):
            saved = await store.save_session(
                make_session(id=id_, tenant_id="mine"), expected_tenant="mine"
            )
            assert saved.tenant_id == "mine"
        flushed = await store.flush(_mine("newer"), expected_tenant="mine")
        assert session_of(flushed).revision == 1

    async def test_an_append_that_shares_a_transaction_is_refused_alone(
        self, store: SessionStore
    ) -> None:
        """
        Each caller's own expectation counts, whatever the others of the group expect.
        """
        for turn in range(3):
            outcomes = await race(
                store.append_event_with_sequence(
                    make_event(id=f"evt_{turn}_{number}", session_id=id_),
                    expected_tenant=tenant,
                )
                for number, (id_, tenant) in enumerate(
                    [
                        ("mine", "theirs"),
                        ("mine", "mine"),
                        ("mine", None),
                        ("theirs", "mine"),
                        ("theirs", "theirs"),
                        ("none", None),
                    ]
                )
            )
            refused = [
                isinstance(outcome, SessionNotFoundError) for outcome in outcomes
            ]
            assert refused == [True, False, False, True, False, False]
        latest = [await store.get_latest_sequence(id_) for id_ in ("mine", "theirs")]
        assert latest == [8, 5]

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_batch_needs_all_sessions_to_be_the_tenants(
        self, store: SessionStore
    ) -> None:
        """
        Of two tenants' sessions nothing is stored.
        """
        await store.save_session(make_session(id="also_mine", tenant_id="mine"))
        own = [
            make_event(id=f"evt_{number}", session_id=id_)
            for number in range(5, 9)
            for id_ in ("mine", "also_mine")
        ]
        other = make_event(id="evt_5", session_id="theirs")
        with pytest.raises(SessionNotFoundError) as caught:
            await store.append_events([*own, other], expected_tenant="mine")
        assert caught.value.session_id == "theirs"
        assert await store.get_latest_sequence("also_mine") == 0
        stored = await store.append_events(own, expected_tenant="mine")
        assert numbers_of(stored)[-2:] == [6, 4]

    async def test_a_tenants_id_is_compared_as_it_is(self, store: SessionStore) -> None:
        """
        Whatever separates texts on their way into a database.
        """
        names = ["a\x1fb", "a", "b", "'", "a,b", "\u00e9", "e\u0301", "A"]
        for number, tenant_id in enumerate(names):
            session = make_session(id=f"ses_{number}", tenant_id=tenant_id)
            await store.save_session(session)
        for turn, expected in enumerate((names, names[1:] + names[:1])):
            outcomes = await race(
                store.append_event(
                    make_event(id=f"evt_{turn}", session_id=f"ses_{number}"),
                    expected_tenant=tenant_id,
                )
                for number, tenant_id in enumerate(expected)
            )
            kinds = {type(outcome) for outcome in outcomes}
            assert kinds == {SessionNotFoundError if turn else type(None)}
        # Nobody may take these two for three, of which the first two are right.
        wrong = [("ses_1", "a\x1fb"), ("ses_2", "c")]
        for calls in (wrong, wrong[::-1]):
            refused = await asyncio.gather(
                *(
                    store.append_event(
                        make_event(id="evt_9", session_id=session_id),
                        expected_tenant=tenant_id,
                    )
                    for session_id, tenant_id in calls
                ),
                return_exceptions=True,
            )
            assert {type(outcome) for outcome in refused} == {SessionNotFoundError}

    async def test_who_has_lost_a_session_is_refused_at_once(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Nothing that was known of it before counts, in whatever store.
        """
        other = await open_store()
        await other.append_event(
            make_event(id="evt_3", session_id="mine"), expected_tenant="mine"
        )
        await store.save_session(make_session(id="mine", tenant_id="theirs"))
        for writer in (store, other):
            with pytest.raises(SessionNotFoundError):
                await writer.append_event(
                    make_event(id="evt_4", session_id="mine"), expected_tenant="mine"
                )
            with pytest.raises(SessionNotFoundError):
                await writer.get_events("mine", expected_tenant="mine")
        await other.append_event(
            make_event(id="evt_4", session_id="mine"), expected_tenant="theirs"
        )

    async def test_deleted_or_not_another_tenant_does_not_find_it(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Its own tenant is told that it is deleted, another that there is none.
        """
        await backend.soft_delete("theirs")
        for name in ("save_run", "append_event", "append_events", "flush"):
            with pytest.raises(SessionNotFoundError):
                await _call(store, name, "theirs", "mine")
            with pytest.raises(SessionDeletedError):
                await _call(store, name, "theirs", "theirs")
        with pytest.raises(SessionNotFoundError):
            await store.flush(_mine("theirs"), expected_tenant="mine")
        await store.delete_session("theirs", expected_tenant="theirs")
        with pytest.raises(SessionNotFoundError):
            await store.delete_session("theirs", expected_tenant="theirs")

    async def test_an_id_begun_anew_tells_nothing_of_its_former_owner(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Numbers and revisions go on from a random place, never from one that was used.
        """
        places: set[tuple[int, int, int]] = set()
        for number in range(3):
            id_, run_id = f"ses_{number}", f"run_{number}"
            former = make_execution_result(
                session=make_session(id=id_, tenant_id="theirs"),
                run=make_run(id=run_id, session_id=id_),
                events=make_events(2, session_id=id_),
            )
            await store.flush(former)
            await store.delete_session(id_)
            anew = attrs.evolve(former, session=make_session(id=id_, tenant_id="mine"))
            with pytest.raises(SequenceConflictError) as caught:
                await store.flush(anew, expected_sequence=2, expected_tenant="mine")
            # For another tenant there never was a session.
            assert caught.value.actual == 0
            flushed = await store.flush(
                anew, expected_sequence=0, expected_tenant="mine"
            )
            first, second = numbers_of(flushed.events)
            session, run = session_of(flushed), run_of(flushed)
            assert first > 3
            assert second == first + 1
            assert min(session.revision, run.revision) > 2
            places.add((first, session.revision, run.revision))
            gate = (await backend.gates())[id_]
            assert (gate.latest, gate.stored) == (second, 2)
            again = await store.flush(anew)
            assert session_of(again).revision == session.revision + 1
            await store.delete_session(id_)
            back = await store.flush(anew)
            assert numbers_of(back.events) == [second + 1, second + 2]
        assert len(places) == 3

    async def test_who_waits_is_told_when_it_is_anothers(
        self, store: SessionStore
    ) -> None:
        """
        A wait for events ends without them once the session has another tenant.
        """
        waiting = asyncio.create_task(
            store.get_events("mine", after=2, wait_timeout=30, expected_tenant="mine")
        )
        await asyncio.sleep(0)
        await store.save_session(make_session(id="mine", tenant_id="theirs"))
        await store.append_event(make_event(id="evt_3", session_id="mine"))
        with pytest.raises(SessionNotFoundError):
            await waiting

    async def test_a_tenant_that_cannot_be_one_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        It is a text of 1 to 255 characters.
        """
        for name in _SUBJECTS:
            with pytest.raises(ValidationError, match="expected_tenant"):
                await _call(store, name, "mine", "")
