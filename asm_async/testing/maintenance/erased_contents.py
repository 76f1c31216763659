"""
Contents of erased artifacts, and erasures beside others who are at work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from asm_async.artifacts import remove_unnamed_contents
from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.testing.backend import MaintenanceBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_events,
    make_item,
    make_session,
)
from asm_async.testing.maintenance.erasure_contract import (
    AT_ONCE,
    ErasureContract,
    World,
    checksum_of,
    failing_at,
    report_of,
)

__all__ = ["TestErasedContents", "TestInterruptedErasures"]


@needs(Capability.SPANS_SESSIONS)
class TestErasedContents(ErasureContract):
    """
    Contents go with their artifacts, but for those that others name.
    """

    async def test_a_content_goes_unless_anothers_artifact_names_it(
        self, world: World
    ) -> None:
        """
        Of another user's session, or of no session; soft-deleted artifacts name, too.
        """
        await world.fill("ses_1", user_id="ann", content=b"of both")
        await world.fill("ses_2", user_id="bob", content=b"of both")
        await world.library.save(b"of one", key="twice", session_id="ses_1")
        await world.library.save(b"of one", key="again", session_id="ses_1")
        await world.library.save(b"free", key="of one", session_id="ses_1")
        await world.library.save(b"free", key="of no session")
        await world.library.save(b"deleted", key="of ann", session_id="ses_1")
        deleted = await world.library.save(b"deleted", key="bobs", session_id="ses_2")
        await world.registry.soft_delete(deleted.id)

        report = await world.erase(user_id="ann")

        assert report == report_of(
            1, artifact_count=5, content_count=1, contents_left=3
        )
        kept = [b"of both", b"free", b"deleted"]
        assert await world.contents.list_checksums() == sorted(map(checksum_of, kept))
        assert await world.library.read(deleted.id) == b"deleted"

    async def test_what_erased_sessions_share_goes_with_the_last(
        self, world: World
    ) -> None:
        """
        It is not said to be left then.
        """
        for number in range(3):
            await world.fill(f"ses_{number}", user_id="ann", content=b"shared")
        assert (await world.erase(session_ids=["ses_0"])).contents_left == 1
        report = await world.erase(user_id="ann")
        assert report == report_of(2, content_count=1)
        assert await world.contents.list_checksums() == []

    async def test_what_was_put_a_moment_ago_stays_for_the_sweep(
        self, world: World
    ) -> None:
        """
        Somebody else may have put it, to register it next.
        """
        await world.fill("ses_1", user_id="ann")
        report = await world.maintenance.erase(
            user_id="ann", artifact_store=world.contents
        )
        assert report == report_of(1, contents_left=1)
        assert await world.contents.list_checksums() == [checksum_of(b"ses_1")]
        swept = remove_unnamed_contents(
            world.registry, world.contents, grace_period=AT_ONCE
        )
        assert [count async for count in swept] == [1]

    async def test_what_is_put_again_meanwhile_stays(self, world: World) -> None:
        """
        The artifact that is registered then has its content.
        """
        await world.fill("ses_1", user_id="ann", content=b"same")

        async def put() -> None:
            await world.contents.put(b"same")

        world.contents.before_delete = put
        assert (await world.erase(user_id="ann")).contents_left == 1
        artifact = await world.library.registry.register(
            make_artifact(session_id=None, checksum_sha256=checksum_of(b"same"))
        )
        assert await world.library.read(artifact.id) == b"same"

    async def test_without_a_store_contents_are_left_to_the_sweep(
        self, world: World
    ) -> None:
        """
        Nothing is said of them.
        """
        await world.fill("ses_1", user_id="ann")
        assert await world.maintenance.erase(user_id="ann") == report_of(1)
        assert len(await world.contents.list_checksums()) == 1


@needs(Capability.SPANS_SESSIONS)
class TestInterruptedErasures(ErasureContract):
    """
    Others may work meanwhile, and it may be interrupted anywhere: nothing is forgotten.
    """

    async def test_a_session_is_closed_before_anything_of_it_goes(
        self, world: World
    ) -> None:
        """
        It is not written to, not restored, and not forked meanwhile.
        """
        await world.fill("ses_1", user_id="ann")
        refused: list[type[Exception]] = []

        async def write() -> None:
            for call in (
                world.store.append_event(make_event(id="late")),
                world.store.save_session(make_session()),
                world.state.save_items([make_item(session_id="ses_1")]),
                world.registry.register(make_artifact()),
                world.store.copy_session("ses_1", make_session(id="fork")),
                world.maintenance.restore_session("ses_1"),
            ):
                with pytest.raises(
                    (SessionDeletedError, SessionNotFoundError)
                ) as error:
                    await call
                refused.append(error.type)

        world.contents.before_delete = write
        assert await world.erase(user_id="ann") == report_of(1, content_count=1)
        assert refused == [SessionDeletedError] * 5 + [SessionNotFoundError]

    async def test_a_caller_is_told_before_anything_of_a_session_goes(
        self, world: World
    ) -> None:
        """
        Once it is closed; where the caller fails, nothing of it is removed.
        """
        await world.fill("ses_1", user_id="ann")
        told: list[Sequence[str]] = []

        async def fail(session_ids: Sequence[str]) -> None:
            told.append(session_ids)
            with pytest.raises(SessionDeletedError):
                await world.store.append_event(make_event(id="late"))
            assert len(await world.store.get_events("ses_1")) == 3
            raise ConnectionResetError

        async def succeed(session_ids: Sequence[str]) -> None:
            told.append(session_ids)

        with pytest.raises(ConnectionResetError):
            await world.erase(user_id="ann", before_removal=fail)
        assert await world.erase(user_id="ann", before_removal=succeed) == report_of(
            1, content_count=1
        )
        assert [[*ids] for ids in told] == [["ses_1"], ["ses_1"]]

    async def test_sessions_that_are_begun_meanwhile_are_erased_too(
        self, world: World
    ) -> None:
        """
        It is looked until none is left.
        """
        await world.fill("ses_1", user_id="ann")

        async def begin() -> None:
            world.contents.before_delete = None
            # Before those that were found, in whatever order that was.
            await world.fill("ses_0", user_id="ann", created_at=NOON - timedelta(1))

        world.contents.before_delete = begin
        assert await world.erase(user_id="ann") == report_of(2, content_count=2)
        assert await world.session_ids() == []

    async def test_who_goes_on_beginning_sessions_keeps_no_erasure_at_work(
        self, world: World
    ) -> None:
        """
        It ends after ten looks, and says that something is left.
        """
        numbers = iter(range(1_000))

        async def begin() -> None:
            number = next(numbers)
            await world.fill(
                f"ses_{number}", user_id="ann", created_at=NOON + timedelta(number)
            )

        await begin()
        world.contents.before_delete = begin
        report = await world.erase(user_id="ann")
        assert report == report_of(10, content_count=10, is_complete=False)
        assert await world.session_ids() == ["ses_10"]

    async def test_a_session_that_is_no_longer_the_users_stays(
        self, world: World
    ) -> None:
        """
        The owner is looked at again when the session is closed.
        """
        await world.fill("parent", user_id="ann")
        await world.fill("child", parent_session_id="parent")

        async def hand_over() -> None:
            world.contents.before_delete = None
            await world.store.save_session(make_session(id="parent", user_id="bob"))

        # The child goes first.
        world.contents.before_delete = hand_over
        report = await world.erase(user_id="ann", with_children=True)
        assert report == report_of(1, content_count=1)
        assert await world.session_ids() == ["parent"]

    async def test_what_is_begun_under_the_id_of_an_erased_session_stays(
        self, world: World
    ) -> None:
        """
        Another who erases was faster, and the id was used again at once.
        """
        await world.fill("ses_1", user_id="ann")

        async def erase_and_begin() -> None:
            world.contents.before_delete = None
            await world.maintenance.erase(user_id="ann")
            await world.fill("ses_1", user_id="bob", content=b"new")

        world.contents.before_delete = erase_and_begin
        report = await world.erase(user_id="ann")
        assert (report.session_count, report.event_count) == (0, 0)
        assert (await world.store.get_session("ses_1")).user_id == "bob"
        assert len(await world.store.get_events("ses_1")) == 3
        assert len(await world.registry.list_by_session("ses_1")) == 1

    async def test_after_an_error_the_next_call_goes_on(self, world: World) -> None:
        """
        Each content is gone before the artifact that names it.
        """
        for number in range(3):
            await world.fill(f"ses_{number}", user_id="ann")
        world.contents.before_delete = failing_at(2)
        with pytest.raises(OSError, match="no such host"):
            await world.erase(user_id="ann")
        assert len(await world.contents.list_checksums()) == 2
        assert len(await world.session_ids()) == 3
        report = await world.erase(user_id="ann")
        assert report == report_of(3, content_count=2, contents_left=1)
        assert await world.contents.list_checksums() == []

    async def test_a_cancelled_erasure_is_finished_by_the_next(
        self, world: World, backend: MaintenanceBackend
    ) -> None:
        """
        Whenever it is cancelled.
        """
        for steps in (1, 3, 10, 30, 100):
            for number in range(3):
                await world.fill(f"ses_{steps}_{number}", user_id="ann")
            erasure = asyncio.ensure_future(world.erase(user_id="ann"))
            for _ in range(steps):
                await asyncio.sleep(0)
            erasure.cancel()
            await asyncio.wait([erasure])
            await world.erase(user_id="ann")
            assert await world.session_ids() == []
            assert await world.contents.list_checksums() == []
        gates = await backend.gates()
        assert {gate.state for gate in gates.values()} == {"deleted"}
        assert {gate.stored for gate in gates.values()} == {0}

    async def test_several_who_erase_at_once_count_each_thing_once(
        self, world: World, backend: MaintenanceBackend
    ) -> None:
        """
        And none of them fails.
        """
        await world.fill("long", user_id="ann")
        await world.store.append_events(make_events(2_500, first=4, session_id="long"))
        for number in range(20):
            await world.fill(f"ses_{number}", user_id="ann")
        others = [await backend.open_maintenance(now=NOON) for _ in range(3)]
        reports = await run_together(
            maintenance.erase(
                user_id="ann", artifact_store=world.contents, grace_period=AT_ONCE
            )
            for maintenance in others
        )
        assert all(report.is_complete for report in reports)
        assert sum(report.session_count for report in reports) == 21
        assert sum(report.event_count for report in reports) == 20 * 3 + 2_503
        assert sum(report.run_count for report in reports) == 21
        assert sum(report.content_count for report in reports) == 21
        assert await world.session_ids() == []
