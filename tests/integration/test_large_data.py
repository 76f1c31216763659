"""
Large members of events' data are kept in an artifact store, and come back whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from obstore.store import LocalStore, MemoryStore

from asm_async import InMemoryPorts
from asm_async.artifacts import ContentCopier, large_data, remove_unnamed_contents
from asm_async.coded import coded_ports
from asm_async.errors import (
    EventConflictError,
    SessionNotFoundError,
    UnreadableValueError,
    ValidationError,
)
from asm_async.files import LocalArtifactStore
from asm_async.integrations.obstore import ObjectArtifactStore
from asm_async.memory import InMemoryArtifactStore
from asm_async.ports import ArtifactStore
from asm_async.ports.together import Ports
from asm_async.redaction import RedactionPolicy, redacting_ports
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import make_artifact, make_event, make_session
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.json_values import encode_json
from tests.coded_ports import Hiding

AT_ONCE = timedelta(0)
ABOVE = 100
LARGE = "large " * 50
DATA = {"role": "user", "content": [LARGE, {"nul": "\0", "lone": "\ud800"}], "n": 1.0}


@pytest.fixture
async def inner(ports_url: str | None) -> AsyncGenerator[Ports]:
    """
    Yield the ports over it.
    """
    if ports_url is None:
        yield InMemoryPorts()
        return
    engine = create_engine(ports_url)
    async with SQLPorts(engine) as ports:
        yield ports
    await engine.dispose()


@pytest.fixture
def contents() -> ArtifactStore:
    """
    Return a store for the large members.
    """
    return InMemoryArtifactStore()


@pytest.fixture
def ports(inner: Ports, contents: ArtifactStore) -> Ports:
    """
    Return ports that keep large data in that store.
    """
    return large_data(inner, contents=contents, above=ABOVE)


def large_event(number: int = 1, session_id: str = "ses_1") -> Event:
    """
    Make an event one of whose members is large.
    """
    return make_event(id=f"evt_{number}", session_id=session_id, data=DATA)


async def sweep(ports: Ports, contents: ArtifactStore) -> int:
    """
    Remove the contents that no artifact names, however young.
    """
    sweeping = remove_unnamed_contents(ports.artifacts, contents, grace_period=AT_ONCE)
    async with aclosing(sweeping):
        return sum([count async for count in sweeping])


async def exported(ports: Ports) -> bytes:
    """
    Return everything as it is exported.
    """
    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    await ports.query.export_sessions(write)
    return b"".join(written)


async def pieces(export: bytes) -> AsyncGenerator[bytes]:
    """
    Yield an export.
    """
    yield export


async def test_a_large_member_is_elsewhere_and_comes_back_whole(
    ports: Ports, inner: Ports, contents: ArtifactStore
) -> None:
    """
    A reference with digest and size stands in its place; the others stay.
    """
    await ports.store.save_session(make_session())
    given = large_event()

    (returned,) = await ports.store.append_events([given])

    assert returned == given.with_given(1)
    assert await ports.store.get_events("ses_1") == [returned]
    (stored,) = await inner.store.get_events("ses_1")
    content = encode_json(DATA["content"]).encode()
    digest = hashlib.sha256(content).hexdigest()
    assert stored.data == DATA | {
        "content": {"asm.moved": {"sha256": digest, "bytes": len(content)}}
    }
    assert list(stored.data) == list(DATA)
    assert await contents.get(digest) == content
    (artifact,) = await inner.artifacts.list_by_session("ses_1")
    assert (artifact.checksum_sha256, artifact.byte_size) == (digest, len(content))
    assert artifact.metadata == {"event_id": "evt_1", "member": "content"}
    assert await ports.artifacts.list_by_session("ses_1") == []
    assert (await ports.artifacts.session_stats("ses_1")).artifact_count == 0


@pytest.mark.parametrize(
    ("member", "is_moved"),
    [
        ("x" * (ABOVE - 2), False),
        ("x" * (ABOVE - 1), True),
        ("\U0001f600" * 9, True),
        ([0] * 49, False),
        ([0] * 50, True),
        ({"asm.moved": {"sha256": "0" * 64, "bytes": 1}}, True),
        ({"asm.moved": 1}, True),
        ({"asm.moved": 1, "other": 2}, False),
        (10 ** (ABOVE + 1), True),
    ],
)
async def test_what_is_larger_than_the_size_is_moved(
    contents: ArtifactStore, member: object, *, is_moved: bool
) -> None:
    """
    By its JSON in bytes; and what looks like a reference, so that none is mistaken.
    """
    inner = InMemoryPorts()
    ports = large_data(inner, contents=contents, above=ABOVE)
    await ports.store.save_session(make_session())
    given = make_event(data={"member": member})

    await ports.store.append_event(given)

    (stored,) = await inner.store.get_events("ses_1")
    assert (stored.data != given.data) == is_moved
    (read,) = await ports.store.get_events("ses_1")
    assert read.has_same_content(given)


async def test_all_ways_of_writing_move_large_data(ports: Ports, inner: Ports) -> None:
    """
    A commit that begins a session, batches of several sessions, retractions.
    """
    store = ports.store
    begun = await store.commit(
        Changes(
            create_session=make_session(),
            events=(large_event(1),),
            artifacts=(make_artifact(),),
        )
    )
    assert begun.artifacts == (make_artifact(),)
    assert begun.events == (large_event(1).with_given(1),)
    await store.save_session(make_session(id="ses_2"))
    both = [large_event(2), large_event(1, "ses_2"), large_event(3)]
    stored = await store.append_events(both)
    assert [event.sequence_number for event in stored] == [2, 1, 3]
    _, replacement = await store.retract_events(
        "ses_1", first=2, last=3, replacement=[large_event(4)]
    )

    visible = await store.get_events("ses_1", visible_only=True)
    assert visible == [*begun.events, replacement]
    assert replacement.data == DATA
    for session_id, count in (("ses_1", 5), ("ses_2", 1)):
        found = await inner.artifacts.list_by_session(session_id)
        assert len(found) == count
        for event in await inner.store.get_events(session_id):
            assert LARGE not in str(event.data)


async def test_a_repeated_call_writes_nothing(
    ports: Ports, inner: Ports, contents: ArtifactStore
) -> None:
    """
    Also where another size counted when the event was stored; other content is refused.
    """
    await ports.store.save_session(make_session())
    stored = await ports.store.append_events([large_event()])
    assert await ports.store.append_events([large_event()]) == stored
    whole = await inner.store.append_events([large_event(2)])
    assert await ports.store.append_events([large_event(2)]) == whole
    for above in (0, 1_000_000):
        other = large_data(inner, contents=contents, above=above)
        repeated = await other.store.append_events([large_event(), large_event(2)])
        assert repeated == [*stored, *whole]
        assert await other.store.get_events("ses_1") == repeated

    changed = make_event(id="evt_1", data=DATA | {"content": LARGE})
    with pytest.raises(EventConflictError, match=r"data\['content'\] differs"):
        await ports.store.append_events([changed])
    assert len(await inner.artifacts.list_by_session("ses_1")) == 1


async def test_a_refused_event_leaves_a_content_that_is_swept(
    ports: Ports, inner: Ports, contents: ArtifactStore
) -> None:
    """
    Nothing names it; what is named stays.
    """
    with pytest.raises(SessionNotFoundError):
        await ports.store.append_events([large_event()])
    assert len(await contents.list_checksums()) == 1
    assert await sweep(inner, contents) == 1

    await ports.store.save_session(make_session())
    await ports.store.append_events([large_event()])
    assert await sweep(inner, contents) == 0
    assert await sweep(ports, contents) == 0


@pytest.mark.parametrize("damage", ["missing", "altered"])
async def test_a_content_that_is_gone_is_named(
    inner: Ports, tmp_path: Path, damage: str
) -> None:
    """
    Reading the session raises; followers, pages and exports say it in its place.
    """
    contents = LocalArtifactStore(tmp_path / "contents")
    ports = large_data(inner, contents=contents, above=ABOVE)
    await ports.store.save_session(make_session())
    whole = make_event(id="evt_0", data={"content": LARGE * 2})
    await ports.store.append_events([whole, large_event()])
    (digest,) = [
        artifact.checksum_sha256
        for artifact in await inner.artifacts.list_by_session("ses_1")
        if artifact.metadata["event_id"] == "evt_1"
    ]
    if damage == "missing":
        await contents.delete(digest)
    else:
        (tmp_path / "contents" / digest[:2] / digest).write_bytes(b'["other"]')

    with pytest.raises(UnreadableValueError) as caught:
        await ports.store.get_events("ses_1")
    assert caught.value.subject == "event 'evt_1' of session 'ses_1'"
    assert caught.value.member == "data['content']"
    assert not caught.value.retryable

    async def shown() -> AsyncGenerator[list[Event]]:
        yield list(await ports.query.search_events())
        following = ports.feed.follow_session("ses_1")
        async with aclosing(following):
            yield [await anext(following), await anext(following)]
        batches = ports.feed.consumer("one").batches()
        async with aclosing(batches):
            yield list((await anext(batches)).events)
        yield list((await ports.query.export_session("ses_1")).events)

    async for first, second in shown():
        assert first.data == whole.data
        assert second.data.keys() == DATA.keys()
        instead = second.data["content"]["asm.unreadable"]
        assert instead["sha256"] == digest
        assert instead["reason"]
    assert b"asm.unreadable" in await exported(ports)


async def test_a_fork_keeps_its_large_data(
    ports: Ports, inner: Ports, contents: ArtifactStore
) -> None:
    """
    Also after the session that it was copied from is removed, and contents are swept.
    """
    await ports.store.save_session(make_session())
    stored = await ports.store.append_events([large_event(1), large_event(2)])
    target = make_session(id="fork")
    for _ in range(2):
        await ports.store.copy_session("ses_1", target, operation_id="copying")
    await ports.store.delete_session("ses_1")

    assert await sweep(inner, contents) == 0
    copied = await ports.store.get_events("fork")
    assert [event.data for event in copied] == [event.data for event in stored]
    # The same event again is known to the copy, with its artifact.
    await ports.store.append_events([large_event(1, "fork")])
    assert len(await inner.artifacts.list_by_session("fork")) == 2

    await ports.store.delete_session("fork")
    assert await sweep(inner, contents) == 1


async def test_an_erasure_removes_the_contents(
    ports: Ports, contents: ArtifactStore
) -> None:
    """
    Those that only erased sessions have.
    """
    for number, user in enumerate(("ann", "bob")):
        session_id = f"ses_{number}"
        await ports.store.save_session(make_session(id=session_id, user_id=user))
        own = make_event(id="own", session_id=session_id, data={"x": user * 100})
        await ports.store.append_events([large_event(1, session_id), own])

    report = await ports.maintenance.erase(
        user_id="ann", artifact_store=contents, grace_period=AT_ONCE
    )

    assert (report.content_count, report.is_complete) == (1, True)
    assert len(await contents.list_checksums()) == 2
    assert len(await ports.store.get_events("ses_1")) == 2


async def test_an_export_is_whole(ports: Ports, inner: Ports) -> None:
    """
    It can be imported anywhere, also into ports that keep large data elsewhere.
    """
    await ports.store.save_session(make_session())
    await ports.artifacts.register(make_artifact())
    events = await ports.store.append_events([large_event(1), large_event(2)])
    export = await exported(ports)
    assert b"asm.moved" not in export
    one = await ports.query.export_session("ses_1")
    assert (one.events, one.artifacts) == (tuple(events), (make_artifact(),))

    plain = InMemoryPorts()
    report = await plain.query.import_sessions(pieces(export))
    assert report.artifacts_imported == 1
    assert await plain.store.get_events("ses_1") == events

    behind, elsewhere = InMemoryPorts(), InMemoryArtifactStore()
    other = large_data(behind, contents=elsewhere, above=ABOVE)
    assert await other.query.import_sessions(pieces(export)) == report
    assert await other.store.get_events("ses_1") == events
    assert await sweep(behind, elsewhere) == 0
    assert await exported(other) == export
    assert await exported(behind) == await exported(inner)
    # Here it is already, with its artifacts.
    again = await ports.query.import_sessions(pieces(export))
    assert (again.sessions_imported, again.sessions_unchanged) == (0, 1)


async def test_an_export_may_refer_to_contents_that_are_copied_beside_it(
    ports: Ports, inner: Ports, contents: ArtifactStore
) -> None:
    """
    That of the ports behind, which is imported through such ports again.
    """
    await ports.store.save_session(make_session())
    events = await ports.store.append_events([large_event()])
    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    elsewhere = InMemoryArtifactStore()
    copier = ContentCopier(contents, elsewhere)
    await inner.query.export_sessions(copier.writer(write))
    export = b"".join(written)

    behind = InMemoryPorts()
    other = large_data(behind, contents=elsewhere, above=ABOVE)
    with pytest.raises(ValidationError, match=r"^line 3: artifact\.key: .* behind"):
        await other.query.import_sessions(pieces(export))
    await behind.query.import_sessions(pieces(export))
    assert await other.store.get_events("ses_1") == events


async def test_redaction_large_data_and_a_further_coder_go_together(
    inner: Ports, contents: ArtifactStore
) -> None:
    """
    What is written is redacted, then moved, then hidden; what is read is shown.
    """
    moving = large_data(coded_ports(inner, Hiding()), contents=contents, above=ABOVE)
    ports = redacting_ports(moving, RedactionPolicy(patterns=["secret"]))
    await ports.store.save_session(make_session(context={"key": "secret"}))
    event = make_event(data={"content": "secret " + LARGE, "small": "a secret"})

    (stored,) = await ports.store.append_events([event])

    clean = {"content": "[redacted] " + LARGE, "small": "a [redacted]"}
    assert stored.data == clean
    (seen,) = await ports.query.search_events()
    assert seen.data == clean
    assert (await ports.store.get_session("ses_1")).context == {"key": "[redacted]"}
    (hidden,) = await inner.store.get_events("ses_1")
    assert "redacted" not in str(hidden.data)
    (digest,) = await contents.list_checksums()
    assert b"secret" not in await contents.get(digest)
    assert await sweep(ports, contents) == 0
    again = await ports.store.append_events([event])
    assert again == [stored]


@pytest.mark.parametrize("place", ["memory", "directory"])
async def test_an_object_store_holds_the_contents(tmp_path: Path, place: str) -> None:
    """
    As any artifact store does.
    """
    where = MemoryStore() if place == "memory" else LocalStore(tmp_path)
    contents = ObjectArtifactStore(where)
    inner = InMemoryPorts()
    ports = large_data(inner, contents=contents, above=ABOVE)
    await ports.store.save_session(make_session())
    events = [
        make_event(id=f"evt_{number}", data={"content": f"{number}" * 300})
        for number in range(20)
    ]

    stored = await ports.store.append_events(events)

    assert await ports.store.get_events("ses_1") == stored
    assert len(await contents.list_checksums()) == 20
    await ports.store.delete_session("ses_1")
    assert await sweep(inner, contents) == 20


async def test_few_contents_are_read_at_the_same_time() -> None:
    """
    However many events a call returns; equal ones are put once each.
    """
    busy, most = 0, 0

    class Counting(InMemoryArtifactStore):
        async def get(self, checksum_sha256: str) -> bytes:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            try:
                return await super().get(checksum_sha256)
            finally:
                busy -= 1

    contents = Counting()
    ports = large_data(InMemoryPorts(), contents=contents, above=ABOVE)
    await ports.store.save_session(make_session())
    await ports.store.append_events([large_event(number) for number in range(50)])

    assert len(await ports.store.get_events("ses_1")) == 50
    assert 1 <= most <= 8
    assert len(await contents.list_checksums()) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"contents": "x"}, "contents: expected an ArtifactStore"),
        ({"above": -1}, "above: "),
        ({"above": 1.5}, "above: "),
    ],
)
def test_wrong_options_are_named(arguments: dict[str, Any], complaint: str) -> None:
    """
    Before anything is stored.
    """
    options: dict[str, Any] = {"contents": InMemoryArtifactStore()} | arguments
    with pytest.raises(ValidationError, match=f"^{complaint}"):
        large_data(InMemoryPorts(), **options)
    with pytest.raises(ValidationError, match=r"^ports: expected"):
        large_data(cast("Ports", "x"), contents=InMemoryArtifactStore())
