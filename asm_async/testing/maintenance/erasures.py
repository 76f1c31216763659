"""
Sessions of a tenant or a user that are erased, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from asm_async.errors import (
    ArtifactNotFoundError,
    RunNotFoundError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.testing.backend import MaintenanceBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from asm_async.testing.maintenance.erasure_contract import (
    ErasureContract,
    World,
    report_of,
)
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.maintenance import ErasureReport, HealthIssueKind
from asm_async.values.session import SessionStatus

__all__ = ["TestErasures", "TestWrongErasures"]

_NARROWED: Sequence[tuple[Mapping[str, Any], Collection[str]]] = (
    ({"tenant_id": "acme"}, {"acme_ann", "acme_bob"}),
    ({"user_id": "ann"}, {"acme_ann", "globex_ann"}),
    ({"tenant_id": "acme", "user_id": "ann"}, {"acme_ann"}),
    ({"session_ids": ["nobodys", "acme_bob"]}, {"nobodys", "acme_bob"}),
    (
        {"session_ids": ["nobodys", "gone", "acme_bob"], "tenant_id": "acme"},
        {"acme_bob"},
    ),
    ({"session_ids": ["globex_ann"], "user_id": "bob"}, ()),
    ({"session_ids": []}, ()),
    ({"session_ids": [], "tenant_id": "acme"}, ()),
    ({"tenant_id": "unknown"}, ()),
)


async def fill_all(world: World) -> None:
    """
    Store sessions of two tenants and two users, and one of nobody.
    """
    for tenant_id in ("acme", "globex"):
        for user_id in ("ann", "bob"):
            await world.fill(
                f"{tenant_id}_{user_id}", tenant_id=tenant_id, user_id=user_id
            )
    await world.fill("nobodys")


class TestErasures(ErasureContract):
    """
    All that a session has is gone, whatever its state, and its numbers stay used.
    """

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_users_sessions_are_erased_whatever_their_state(
        self, world: World, backend: MaintenanceBackend
    ) -> None:
        """
        With runs, events, tags, state items and artifacts; what others have stays.
        """
        await world.fill("live", user_id="ann")
        await world.fill("over", user_id="ann", status=SessionStatus.COMPLETED)
        await world.fill("deleted", user_id="ann")
        await world.maintenance.soft_delete_session("deleted")
        await world.fill("other", user_id="bob")
        await world.state.save_items([make_item(key="of no session")])

        report = await world.erase(user_id="ann")

        assert report == report_of(3, content_count=3)
        assert await world.session_ids() == ["other"]
        assert len(await world.store.get_events("other")) == 3
        assert len(await world.store.list_runs("other")) == 1
        assert len(await world.registry.list_by_session("other")) == 1
        items = await world.state.list_items("app/user")
        assert [item.key for item in items] == ["of no session", "other"]
        for session_id in ("live", "over", "deleted"):
            assert await world.store.get_events(session_id) == []
            with pytest.raises(RunNotFoundError):
                await world.store.get_run(f"run_of_{session_id}")
            with pytest.raises(ArtifactNotFoundError):
                await world.registry.get_by_key(f"artifact of {session_id}")
        found = await world.maintenance.health_check()
        assert {issue.kind for issue in found} <= {HealthIssueKind.WEAK_DURABILITY}
        gates = await backend.gates()
        assert {gates[id_].state for id_ in ("live", "over", "deleted")} == {"deleted"}

    @needs(Capability.SPANS_SESSIONS)
    @pytest.mark.parametrize(("chosen", "erased"), _NARROWED)
    async def test_what_is_given_narrows(
        self, world: World, chosen: Mapping[str, Any], erased: Collection[str]
    ) -> None:
        """
        Of a tenant, a user and ids all that are given must be met; no ids are none.
        """
        await fill_all(world)
        before = set(await world.session_ids())
        report = await world.erase(**chosen)
        assert report == report_of(len(erased), content_count=len(erased))
        assert set(await world.session_ids()) == before.difference(erased)

    async def test_more_sessions_than_one_batch_are_erased(self, world: World) -> None:
        """
        Named or found, sessions of one time are not skipped between batches.
        """
        for start in range(0, 1_200, 300):
            await run_together(
                world.store.save_session(make_session(id=f"ses_{n}", user_id="ann"))
                for n in range(start, start + 300)
            )
        ids = [f"ses_{number}" for number in range(100)]
        named = await world.maintenance.erase(
            session_ids=[*ids, *map(str, range(2000))]
        )
        found = await world.maintenance.erase(user_id="ann")
        assert (named.session_count, found.session_count) == (100, 1_100)
        assert await world.session_ids() == []

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_very_long_session_goes_whole(
        self, world: World, backend: MaintenanceBackend
    ) -> None:
        """
        It counts once, with all its events.
        """
        await world.fill("long", user_id="ann")
        await world.store.append_events(make_events(2_500, first=4, session_id="long"))
        await world.fill("short", user_id="ann")
        report = await world.erase(user_id="ann")
        assert report == report_of(2, event_count=2_506, content_count=2)
        gates = await backend.gates()
        assert (gates["long"].stored, gates["long"].latest) == (0, 2_503)

    @needs(Capability.SPANS_SESSIONS)
    async def test_an_erased_session_is_not_there(self, world: World) -> None:
        """
        Writers hear what they hear of any session that does not exist.
        """
        await world.fill("ses_1", user_id="ann")
        await world.erase(user_id="ann")
        for call in (
            world.store.get_session("ses_1"),
            world.store.append_event(make_event(id="late")),
            world.store.save_run(make_run(id="late")),
            world.state.save_items([make_item(session_id="ses_1")]),
            world.maintenance.restore_session("ses_1"),
        ):
            with pytest.raises(SessionNotFoundError):
                await call

    @needs(Capability.SPANS_SESSIONS)
    async def test_who_begins_an_erased_id_anew_does_not_see_how_much_there_was(
        self, world: World
    ) -> None:
        """
        Numbers and revisions are not used again, and go on behind a gap.

        The owner of the session is not remembered, so that the same tenant, and one who
        has none, are strangers to it as well.
        """
        gaps: set[int] = set()
        for session_id, tenant_id in (("one", "acme"), ("two", None), ("three", None)):
            await world.fill(session_id, tenant_id="acme")
            await world.erase(session_ids=[session_id])
            again = make_session(id=session_id, tenant_id=tenant_id)
            session = await world.store.save_session(again)
            event = make_event(id="new", session_id=session_id)
            (number,) = numbers_of(
                [await world.store.append_event_with_sequence(event)]
            )
            run = make_run(id=f"run_of_{session_id}", session_id=session_id)
            stored = await world.store.save_run(run)
            assert number > 4
            assert session.revision > 2
            assert stored.revision > 2
            gaps |= {number, session.revision, stored.revision}
        assert len(gaps) > 3

    @needs(Capability.SPANS_SESSIONS)
    async def test_erasing_again_finds_nothing(self, world: World) -> None:
        """
        Which is what a last look says, too.
        """
        await fill_all(world)
        await world.erase(tenant_id="acme")
        assert await world.erase(tenant_id="acme") == ErasureReport(is_complete=True)

    @needs(Capability.SPANS_SESSIONS)
    async def test_progress_is_told_and_an_erasure_can_be_stopped(
        self, world: World
    ) -> None:
        """
        What is left is erased by the next call; their reports together tell of all.
        """
        for number in range(3):
            await world.fill(f"ses_{number}", user_id="ann")
            more = make_events(1_000, first=4, session_id=f"ses_{number}")
            await world.store.append_events(more)
        told: list[ErasureReport] = []
        first = await world.erase(
            user_id="ann",
            progress=told.append,
            should_stop=lambda: bool(told and told[-1].event_count),
        )
        assert first == told[-1]
        assert not first.is_complete
        assert 0 < first.event_count < 3_009
        second = await world.erase(user_id="ann")
        assert second.is_complete
        assert first.session_count + second.session_count == 3
        assert first.event_count + second.event_count == 3_009
        assert await world.session_ids() == []


@needs(Capability.SPANS_SESSIONS)
class TestWrongErasures(ErasureContract):
    """
    What is wrong is refused before anything is erased.
    """

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({}, "tenant_id, user_id, session_ids: expected at least one"),
            ({"with_children": True}, "tenant_id, user_id, session_ids"),
            ({"tenant_id": ""}, "tenant_id: expected 1 to 255 characters"),
            ({"user_id": 7}, "user_id: expected text"),
            ({"session_ids": "ses_1"}, "session_ids: expected a list, got"),
            ({"session_ids": ["ses_1", ""]}, r"session_ids\[1\]: expected 1 to 255"),
            ({"with_children": 1}, "with_children: expected True or False"),
            ({"artifact_store": "here"}, "artifact_store: expected an ArtifactStore"),
            ({"grace_period": 3}, "grace_period: expected a timedelta"),
            ({"grace_period": timedelta(-1)}, "grace_period: expected zero or more"),
            ({"progress": "print"}, "progress: expected a callable"),
            ({"should_stop": True}, "should_stop: expected a callable"),
            ({"before_removal": 1}, "before_removal: expected a callable"),
        ],
    )
    async def test_it_is_refused_by_name(
        self, world: World, wrong: Any, message: str
    ) -> None:
        """
        Nothing given is not everything.
        """
        await world.fill("ses_1", tenant_id="acme", user_id="ann")
        chosen = {"user_id": "ann"} if wrong.keys() - {"with_children"} else {}
        with pytest.raises(ValidationError, match=message):
            await world.maintenance.erase(**(chosen | wrong))
        assert await world.session_ids() == ["ses_1"]

    async def test_no_grace_period_is_too_long(self, world: World) -> None:
        """
        Then every content is too young.
        """
        await world.fill("ses_1", user_id="ann", created_at=NOON)
        report = await world.erase(user_id="ann", grace_period=timedelta.max)
        assert report == report_of(1, contents_left=1)
