"""
Callers that write the same items at the same moment.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import chain

import attrs
import pytest

from asm_async.errors import RevisionConflictError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import race, run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from asm_async.testing.session_store.contract import OpenStore, numbers_of
from asm_async.testing.state_store.contract import (
    OpenStateStore,
    StateStoreContract,
    keys_of,
)
from asm_async.values.changes import Changes

__all__ = ["TestItemRaces"]

_CALLERS = 12
_NAME = ("app/user", "theme")


class TestItemRaces(StateStoreContract):
    """
    Each call is done alone, whatever transaction it shares.
    """

    @pytest.mark.parametrize("data", [None, "own"])
    async def test_of_the_same_expectation_exactly_one_wins(
        self, open_state_store: OpenStateStore, data: str | None
    ) -> None:
        """
        Of callers in several processes, whether they store the same content or not.
        """
        states = [await open_state_store() for _ in range(3)]
        revision = 0
        for turn in range(4):
            outcomes = await race(
                states[number % 3].save_items(
                    [make_item(data=data and f"{turn}-{number}")],
                    expected_revisions={_NAME: revision},
                )
                for number in range(_CALLERS)
            )
            won = [each for each in outcomes if not isinstance(each, Exception)]
            lost = [each for each in outcomes if isinstance(each, Exception)]
            assert len(won) == 1
            assert all(isinstance(each, RevisionConflictError) for each in lost)
            assert await states[0].list_items("app/user") == won[0]
            revision = won[0][0].revision

    async def test_of_deletions_that_expect_the_same_one_wins(
        self, open_state_store: OpenStateStore
    ) -> None:
        """
        So a job that is taken off a list is taken once.
        """
        states = [await open_state_store() for _ in range(2)]
        (stored,) = await states[0].save_items([make_item()])
        outcomes = await race(
            states[number % 2].delete_items(
                "app/user",
                keys=["theme"],
                expected_revisions={"theme": stored.revision},
            )
            for number in range(_CALLERS)
        )
        assert sorted(map(str, outcomes)).count("1") == 1
        refused = [each for each in outcomes if isinstance(each, RevisionConflictError)]
        assert len(refused) == _CALLERS - 1
        assert {error.actual for error in refused} == {0}

    async def test_a_revision_is_not_given_again_after_a_removal(
        self, state: StateStore
    ) -> None:
        """
        Also where the item is saved and deleted in one transaction.
        """
        revisions: list[int] = []
        for number in range(5):
            saving = [
                state.save_items([make_item(data=[number, place])]) for place in (1, 2)
            ]
            saved, _ = await asyncio.gather(
                asyncio.gather(*saving),
                state.delete_items("app/user", keys=["theme"]),
            )
            revisions += [item.revision for (item,) in saved]
        assert len(set(revisions)) == 10

    async def test_no_update_is_lost(self, open_state_store: OpenStateStore) -> None:
        """
        A counter that everybody reads, expects and saves has counted everybody.
        """
        states = [await open_state_store() for _ in range(3)]
        await states[0].save_items([make_item(data=0)])

        async def count(state: StateStore) -> None:
            while True:
                (item,) = (await state.get_items(*_NAMED)).values()
                try:
                    await state.save_items(
                        [attrs.evolve(item, data=item.data + 1)],
                        expected_revisions={_NAME: item.revision},
                    )
                except RevisionConflictError:
                    continue
                return

        await run_together(count(states[number % 3]) for number in range(_CALLERS))
        (item,) = await states[0].list_items("app/user")
        assert item.data == _CALLERS

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_call_is_seen_whole_or_not_at_all(
        self, open_state_store: OpenStateStore
    ) -> None:
        """
        Items that are saved together are never read apart, whichever was locked first.
        """
        state, another = await open_state_store(), await open_state_store()
        scopes = ["a", "b"]

        async def save(number: int) -> None:
            ordered = scopes[:: -1 if number % 2 else 1]
            items = [
                make_item(scope=scope, key=key, data=number)
                for scope in ordered
                for key in "xy"
            ]
            await (state if number % 3 else another).save_items(items)

        async def look() -> None:
            for _ in range(8):
                for scope in scopes:
                    found = await state.get_items(scope, ["x", "y"])
                    assert len({item.data for item in found.values()}) <= 1

        await run_together([*(save(number) for number in range(12)), look(), look()])
        stored = [
            item.data for scope in scopes for item in await state.list_items(scope)
        ]
        assert len(stored) == 4
        assert len(set(stored)) == 1

    async def test_a_scope_is_deleted_beside_writers(
        self, open_state_store: OpenStateStore
    ) -> None:
        """
        What was there is gone, what is saved afterwards stays, and no revision returns.
        """
        state, another = await open_state_store(), await open_state_store()
        await state.save_items([make_item(key=f"old-{n:04}") for n in range(1_500)])
        revisions: list[int] = []

        async def save(number: int) -> None:
            for turn in range(4):
                (item,) = await another.save_items([make_item(key=f"{number}-{turn}")])
                revisions.append(item.revision)

        await run_together(
            [*(save(n) for n in range(4)), state.delete_scope("app/user")]
        )
        (last,) = await another.save_items([make_item(key="last")])
        left = keys_of(await state.list_items("app/user"))
        assert not [key for key in left if key.startswith("old")]
        assert "last" in left
        assert len({*revisions, last.revision}) == 17

    @needs(Capability.SPANS_SESSIONS)
    @pytest.mark.usefixtures("session")
    async def test_items_and_events_are_written_beside_each_other(
        self, state: StateStore, store: SessionStore
    ) -> None:
        """
        Each has its own order, and none waits for the other in vain.
        """
        saves = [
            state.save_items([make_item(key=f"{n:02}", session_id="ses_1")])
            for n in range(12)
        ]
        appends = [store.append_events([event]) for event in make_events(12)]
        await run_together([*saves, *appends])
        assert len(await state.list_items("app/user")) == 12
        log = await store.get_events("ses_1")
        assert numbers_of(log) == list(range(1, 13))

    @needs(Capability.SPANS_SESSIONS)
    @pytest.mark.usefixtures("session")
    async def test_a_counter_and_its_events_agree(
        self, open_store: OpenStore, open_state_store: OpenStateStore
    ) -> None:
        """
        Commits of both, beside others that save the items and append the events alone.
        """
        stores = [await open_store() for _ in range(3)]
        state = await open_state_store()
        await stores[0].save_session(make_session(id="ses_2"))
        await state.save_items([make_item(data=0), make_item(scope="b", data=0)])

        async def count(number: int) -> None:
            store, session_id = stores[number % 3], f"ses_{number % 2 + 1}"
            event = make_event(id=f"count {number}", session_id=session_id)
            scopes = ["app/user", "b"][:: -1 if number % 4 < 2 else 1]
            while True:
                items = [
                    item
                    for scope in scopes
                    for item in (await state.get_items(scope, ["theme"])).values()
                ]
                try:
                    await store.commit(
                        Changes(
                            events=(event,),
                            items=tuple(
                                attrs.evolve(
                                    item, data=item.data + 1, session_id=session_id
                                )
                                for item in items
                            ),
                        ),
                        expected_revisions={
                            (item.scope, item.key): item.revision for item in items
                        },
                    )
                except RevisionConflictError:
                    continue
                return

        beside = [
            [
                state.save_items([make_item(scope="b", key=f"beside {n}")]),
                stores[0].append_events(
                    [make_event(id=f"{n}", session_id=f"ses_{n % 2 + 1}")]
                ),
            ]
            for n in range(_CALLERS)
        ]
        await run_together([*map(count, range(_CALLERS)), *chain(*beside)])
        items = [
            item
            for scope in ("app/user", "b")
            for item in (await state.get_items(scope, ["theme"])).values()
        ]
        assert [item.data for item in items] == [_CALLERS, _CALLERS]
        for session_id in ("ses_1", "ses_2"):
            log = await stores[0].get_events(session_id)
            assert numbers_of(log) == list(range(1, _CALLERS + 1))

    @pytest.mark.usefixtures("session")
    async def test_events_behind_a_runs_revision_stand_where_it_had_it(
        self, open_store: OpenStore
    ) -> None:
        """
        Anyone who looks at the run while others save it appends before the next save.
        """
        stores = [await open_store() for _ in range(3)]
        await stores[0].save_run(make_run())

        async def look(number: int) -> None:
            for turn in range(4):
                run = await stores[number % 3].get_run("run_1")
                event = make_event(
                    id=f"look {number} {turn}", data={"seen": run.revision}
                )
                with suppress(RevisionConflictError):
                    await stores[number % 3].commit(
                        Changes(events=(event,)),
                        expected_revisions={"run_1": run.revision},
                    )

        async def save(number: int) -> None:
            run = await stores[number % 3].get_run("run_1")
            event = make_event(id=f"save {number}", data={})
            with suppress(RevisionConflictError):
                await stores[number % 3].commit(
                    Changes(events=(event,), runs=(run,)),
                    expected_revisions={"run_1": run.revision},
                )

        await run_together([*map(look, range(6)), *map(save, range(6))])
        revision = 1
        for event in await stores[0].get_events("ses_1"):
            seen = event.data.get("seen")
            assert seen in {None, revision}
            revision += seen is None
        assert (await stores[0].get_run("run_1")).revision == revision > 1


_NAMED = ("app/user", ["theme"])
