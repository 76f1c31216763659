"""
Ports whose values are stored in another form than callers see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from asm_async import InMemoryPorts
from asm_async.coded import (
    CodedArtifactRegistry,
    CodedEventFeed,
    CodedMaintenance,
    CodedQueryAPI,
    CodedSessionStore,
    CodedStateStore,
    CodedValue,
    Coder,
    Removal,
    coded_ports,
)
from asm_async.errors import (
    ArtifactConflictError,
    EventConflictError,
    UnreadableValueError,
    ValidationError,
)
from asm_async.fronts.retention import utc_now
from asm_async.integrations.fastapi import ALL_TENANTS, ports_lifespan, router
from asm_async.memory import InMemoryMaintenance
from asm_async.ports.together import Ports
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_events,
    make_item,
    make_session,
)
from asm_async.testing.query_api.transfer import export_of, pieces
from asm_async.values.changes import Changes
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session_export import SessionExport
from tests.coded_ports import HIDDEN, Hiding


class Watched(Hiding):
    """
    Notes how many values came at once, and what was removed.
    """

    def __init__(self) -> None:
        self.encoded: list[int] = []
        self.removals: list[Removal] = []

    async def encode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Hide values, and count them.
        """
        self.encoded.append(len(values))
        return await super().encode(values)

    async def removed(self, removal: Removal) -> None:
        """
        Note what was removed.
        """
        self.removals.append(removal)


@pytest.fixture
def inner() -> InMemoryPorts:
    """
    Return the ports in which everything is hidden.
    """
    return InMemoryPorts()


@pytest.fixture
def coder() -> Watched:
    """
    Return what hides it.
    """
    return Watched()


@pytest.fixture
def ports(inner: Ports, coder: Watched) -> Ports:
    """
    Return the ports that show it.
    """
    return coded_ports(inner, coder)


async def store_unreadable(ports: Ports, inner: Ports) -> None:
    """
    Store a session with two events, the first of which cannot be decoded.
    """
    await ports.store.save_session(make_session())
    await inner.store.append_events([make_event(data={"plain": "text"})])
    await ports.store.append_events([make_event(id="evt_2", data={"text": "shown"})])


async def test_a_commit_is_encoded_in_one_call(
    ports: Ports, inner: Ports, coder: Watched
) -> None:
    """
    The coder sees all its values together, and what is stored is hidden.
    """
    await ports.store.commit(
        Changes(
            session=make_session(context={"a": 1}),
            events=tuple(make_events(3)),
            items=(make_item(data={"b": 2}),),
            artifacts=(make_artifact(metadata={"c": 3}),),
        )
    )
    assert coder.encoded == [6]
    assert HIDDEN in str((await inner.store.get_session("ses_1")).context)
    (item,) = await inner.state.list_items("app/user")
    assert HIDDEN in str(item.data)
    assert HIDDEN in str((await inner.artifacts.get("art_1")).metadata)


async def test_what_cannot_be_decoded_stops_no_stream(
    ports: Ports, inner: Ports
) -> None:
    """
    Followers, consumers, pages and exports go on; single reads raise.
    """
    await store_unreadable(ports, inner)

    with pytest.raises(UnreadableValueError):
        await ports.store.get_events("ses_1")
    store = cast("CodedSessionStore", ports.store)
    found = [await store.lenient().get_events("ses_1")]
    found.append(list(await ports.query.search_events()))
    following = ports.feed.follow_session("ses_1")
    async with aclosing(following):
        found.append([await anext(following) for _ in range(2)])
    everything = ports.feed.follow_all()
    async with aclosing(everything):
        found.append([(await anext(everything))[0] for _ in range(2)])
    batches = ports.feed.consumer("one").batches()
    async with aclosing(batches):
        batch = await anext(batches)
        await batch.acknowledge()
        found.append(list(batch.events))
    found.append(list((await ports.query.export_session("ses_1")).events))
    for first, second in found:
        assert "unreadable" in first.data
        assert second.data == {"text": "shown"}


async def test_http_shows_what_callers_see(ports: Ports, inner: Ports) -> None:
    """
    Its answers are not the stored text, and one bad event spoils no page.
    """
    await store_unreadable(ports, inner)
    app = FastAPI(lifespan=ports_lifespan(ports))
    app.include_router(router(authorize=lambda: ALL_TENANTS))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        answers = [
            await client.get("/sessions/ses_1/events"),
            await client.get("/events"),
        ]
    for answer in answers:
        assert answer.status_code == 200
        assert HIDDEN not in answer.text
        assert '"shown"' in answer.text
        assert "unreadable" in answer.text


async def test_a_coder_that_has_changed_knows_what_is_stored(
    ports: Ports, inner: Ports
) -> None:
    """
    An event or artifact that was encoded otherwise is known by what callers see.
    """

    class Changed(Hiding):
        async def encode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
            return await super().encode(await super().encode(values))

        async def decode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
            once = await super().decode(values)
            try:
                return await super().decode(once)
            except UnreadableValueError:
                return once

    other = coded_ports(inner, Changed())
    await ports.store.save_session(make_session())
    stored = await ports.store.append_events(make_events(2))
    event = make_event(id="evt_3", data={"a": 1})
    repeated = await other.store.append_events([*make_events(2), event])
    assert repeated == [*stored, event.with_given(3)]
    with pytest.raises(EventConflictError, match=r"data\['a'\] differs"):
        await ports.store.append_events([make_event(id="evt_3", data={"a": 2})])

    artifact = make_artifact(metadata={"a": 1})
    assert await ports.artifacts.register(artifact) == artifact
    assert await other.artifacts.register(artifact) == artifact
    with pytest.raises(ArtifactConflictError, match=r"metadata\['a'\] differs"):
        await other.artifacts.register(make_artifact(metadata={"a": 2}))


async def test_a_coder_is_told_of_removals(ports: Ports, coder: Watched) -> None:
    """
    After the database has nothing of them any more.
    """
    for number in range(3):
        await ports.store.save_session(make_session(id=f"ses_{number}", user_id="ann"))
    await ports.store.delete_session("ses_0")
    await ports.maintenance.erase(session_ids=["ses_1"])
    await ports.maintenance.erase(user_id="ann", should_stop=lambda: True)
    await ports.maintenance.erase(user_id="ann")
    assert coder.removals == [
        Removal(session_ids=("ses_0",)),
        Removal(session_ids=("ses_1",)),
        Removal(user_id="ann"),
    ]


async def test_an_archive_is_given_what_callers_see(
    ports: Ports, inner: InMemoryPorts
) -> None:
    """
    Before a session is removed for good.
    """
    archived: list[SessionExport] = []

    async def archive(export: SessionExport) -> None:
        archived.append(export)

    await ports.store.save_session(make_session())
    events = await ports.store.append_events([make_event(data={"a": 1})])
    await ports.maintenance.soft_delete_session("ses_1")
    policy = RetentionPolicy.new(hard_delete_after_days=1, archive=archive)
    later = InMemoryMaintenance(
        inner.database, clock=lambda: utc_now() + timedelta(days=2)
    )
    maintenance = CodedMaintenance(later, Hiding())
    assert await maintenance.hard_delete_expired_sessions(policy) == 1
    (export,) = archived
    assert list(export.events) == events


async def test_an_import_encodes_few_long_values_at_once_and_some_short_ones(
    ports: Ports, coder: Watched
) -> None:
    """
    What is waiting together is bounded in bytes as well as in number.
    """
    for data, expected in (("x" * 100_000, 3), ("x", 16)):
        coder.encoded.clear()
        items = [
            make_item(scope=f"{data[:2]}/{n:02}", data=data, updated_at=NOON)
            for n in range(40)
        ]
        await ports.query.import_sessions(pieces(export_of(items)))
        assert max(coder.encoded) == expected
        assert sum(coder.encoded) == 40


async def test_the_librarys_own_records_stay_as_they_are(
    ports: Ports, inner: Ports
) -> None:
    """
    Retractions and the items of the library are read by others than callers.
    """
    await ports.store.save_session(make_session())
    await ports.store.append_events(make_events(2))
    told, _ = await ports.store.retract_events(
        "ses_1", first=1, last=1, replacement=[make_event(id="evt_9")]
    )
    assert await inner.store.get_events("ses_1", ids=[told.id]) == [told]
    own = make_item(scope="asm.own", data={"a": 1})
    await ports.state.save_items([own])
    (stored,) = await inner.state.list_items("asm.own")
    assert stored.data == {"a": 1}


async def test_closing_a_follower_closes_the_one_behind(ports: Ports) -> None:
    """
    So that nothing of it is left when the ports are closed.
    """
    await ports.store.save_session(make_session())
    await ports.store.append_events(make_events(3))
    following = ports.feed.follow_session("ses_1")
    await anext(following)
    await following.aclose()
    await ports.aclose()


@pytest.mark.parametrize(
    ("port", "name"),
    [
        (CodedSessionStore, "store"),
        (CodedStateStore, "state"),
        (CodedQueryAPI, "query"),
        (CodedEventFeed, "feed"),
        (CodedMaintenance, "maintenance"),
        (CodedArtifactRegistry, "artifacts"),
    ],
)
def test_wrong_parts_are_named(port: Callable[[Any, Any], object], name: str) -> None:
    """
    Neither another object than a port, nor another one than a coder.
    """
    with pytest.raises(ValidationError, match=r"^\w+: expected an? \w+, got"):
        port("x", Coder())
    with pytest.raises(ValidationError, match=r"^coder: expected"):
        port(getattr(InMemoryPorts(), name), "x")
