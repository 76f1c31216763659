"""
What is changed in the database by SQL is refused, and the row is named.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest
import sqlalchemy as sa

from asm_async import Ports
from asm_async.encryption.seals import ERASED, SEALED
from asm_async.errors import DecryptionError, TamperedError
from asm_async.sql.core import tables
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_execution_result,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.event import Event
from tests.encryption.databases import Encrypted

Stored = Mapping[tuple[str, str], Event]
Edit = Callable[[Stored], dict[str, object]]
Read = Callable[[Ports], Awaitable[object]]

FIRST, SECOND, OTHER = ("ses_1", "evt_1"), ("ses_1", "evt_2"), ("ses_2", "evt_1")


def _text_changed(change: Callable[[str], str]) -> Edit:
    return lambda stored: {"data": {SEALED: change(stored[FIRST].data[SEALED])}}


# What of the first event is changed, to what.
EVENT_EDITS: Mapping[str, Edit] = {
    "of another event": lambda stored: {"data": stored[SECOND].data},
    "of another session": lambda stored: {"data": stored[OTHER].data},
    "cut": _text_changed(lambda text: text[:-8]),
    "cut short": _text_changed(lambda text: text[:45]),
    "longer": _text_changed(lambda text: f"{text[:-4]}AAAA{text[-4:]}"),
    "altered": _text_changed(lambda text: f"{text[:60]}AAAA{text[64:]}"),
    "no Base64": _text_changed(lambda text: f"{text[:60]}!{text[61:]}"),
    "of another version": _text_changed(lambda text: f"v2{text[2:]}"),
    "no text": lambda _: {"data": {SEALED: 1}},
    "emptied": lambda _: {"data": {}},
    "in plain text": lambda _: {"data": {"content": "forged"}},
    "said to be erased": lambda _: {"data": {ERASED: True}},
    "with more beside": lambda stored: {"data": {**stored[FIRST].data, "a": 1}},
    "with metadata": lambda _: {"metadata": {"a": 1}},
    "as metadata": lambda stored: {"data": {}, "metadata": stored[FIRST].data},
    "under another id": lambda _: {"id": "evt_9"},
    "of another type": lambda _: {"type": "run_failed"},
    "at another time": lambda _: {"timestamp": NOON + timedelta(seconds=1)},
    "of another run": lambda _: {"run_id": "run_2"},
    "of another schema": lambda _: {"schema_version": 9},
    "of another provider": lambda _: {"provider": "x"},
    "of another correlation": lambda _: {"correlation_id": "x"},
}

SESSION = "session 'ses_1'"
RUN = "run 'run_1'"
ITEM = "state item 'one' of scope 'app/user'"


def _session(ports: Ports) -> Awaitable[object]:
    return ports.store.get_session("ses_1")


def _run(ports: Ports) -> Awaitable[object]:
    return ports.store.get_run("run_1")


def _items(ports: Ports) -> Awaitable[object]:
    return ports.state.list_items("app/user")


def _changed(table: sa.Table, **values: object) -> sa.Update:
    """
    Change the row whose name comes first.
    """
    name = table.c.key if "key" in table.c else table.c.id
    firsts = ["ses_1", "run_1", "one", "art_1"]
    return sa.update(table).where(name.in_(firsts)).values(**values)


def _of(column: sa.Column[object], name: str) -> sa.ScalarSelect[object]:
    table = column.table
    name_of_row = table.c.key if "key" in table.c else table.c.id
    return sa.select(column).where(name_of_row.in_([name])).scalar_subquery()


OTHER_EDITS: Mapping[str, tuple[sa.Update, Read, str]] = {
    "the tenant of a session": (
        _changed(tables.sessions, tenant_id="evil"),
        _session,
        SESSION,
    ),
    "the context of a session from another": (
        _changed(tables.sessions, context=_of(tables.sessions.c.context, "ses_2")),
        _session,
        SESSION,
    ),
    "the metadata of a session as its context": (
        _changed(tables.sessions, context=tables.sessions.c.metadata),
        _session,
        SESSION,
    ),
    "the context of a session as its metadata": (
        _changed(tables.sessions, metadata=tables.sessions.c.context),
        _session,
        SESSION,
    ),
    "the status of a run": (_changed(tables.runs, status="failed"), _run, RUN),
    "the cost of a run": (_changed(tables.runs, cost_usd=99.0), _run, RUN),
    "the tokens of a run": (
        _changed(tables.runs, token_usage={"input_tokens": 1}),
        _run,
        RUN,
    ),
    "the model of a run": (
        _changed(tables.runs, provider_metadata={"model": "x"}),
        _run,
        RUN,
    ),
    "the output of a run": (_changed(tables.runs, output="forged"), _run, RUN),
    "the key of an item": (
        _changed(tables.state_items, key="other"),
        _items,
        "state item 'other' of scope 'app/user'",
    ),
    "the session of an item": (
        _changed(tables.state_items, session_id="ses_2"),
        _items,
        ITEM,
    ),
    "the content of an item": (
        _changed(tables.state_items, content=b"forged"),
        _items,
        ITEM,
    ),
    "the content of an item from another": (
        _changed(tables.state_items, content=_of(tables.state_items.c.content, "two")),
        _items,
        ITEM,
    ),
    "the content of an item from a time before": (
        _changed(tables.state_items, data=_of(tables.state_items.c.data, "two")),
        _items,
        ITEM,
    ),
    "the checksum of an artifact": (
        sa.update(tables.artifacts).values(checksum_sha256="0" * 64),
        lambda ports: ports.artifacts.get("art_1"),
        "artifact 'art_1'",
    ),
}


async def store_all(ports: Ports) -> None:
    """
    Store one of everything, and another session like it.
    """
    for session_id in ("ses_1", "ses_2"):
        await ports.store.flush(
            make_execution_result(
                session=make_session(id=session_id, context={"prompt": session_id}),
                run=None,
                events=[
                    make_event(session_id=session_id, data={"content": "hello"}),
                    make_event(
                        id="evt_2", session_id=session_id, data={"content": "bye!!"}
                    ),
                ],
            )
        )
    await ports.store.save_run(make_run(output="done"))
    await ports.state.save_items(
        [
            make_item(key=key, data=key, content=key.encode(), session_id="ses_1")
            for key in ("one", "two")
        ]
    )
    await ports.artifacts.register(make_artifact(session_id="ses_1"))


async def stored_in(encrypted: Encrypted) -> Stored:
    """
    Return the events as they are stored.
    """
    page = await encrypted.raw.query.search_events()
    return {(event.session_id, event.id): event for event in page.items}


@pytest.mark.parametrize("edit", EVENT_EDITS)
async def test_an_event_that_was_changed_is_refused(
    encrypted: Encrypted, edit: str
) -> None:
    """
    Whatever of it was changed; by every reader, and with its own name.
    """
    ports = encrypted.ports()
    await store_all(ports)
    read = await ports.store.get_events("ses_1")
    assert [event.data["content"] for event in read] == ["hello", "bye!!"]

    changes = EVENT_EDITS[edit](await stored_in(encrypted))
    table = tables.events
    is_first = (table.c.session_id == "ses_1") & (table.c.id == "evt_1")
    assert (
        await encrypted.execute(sa.update(table).where(is_first).values(changes)) == 1
    )

    changed = "evt_9" if edit == "under another id" else "evt_1"
    readers: list[Awaitable[object]] = [
        ports.store.get_events("ses_1"),
        ports.query.search_events(session_ids=["ses_1"]),
        ports.query.export_session("ses_1"),
        anext(ports.feed.follow_session("ses_1")),
    ]
    for reader in readers:
        with pytest.raises(TamperedError) as caught:
            await reader
        assert caught.value.subject == f"event {changed!r} of session 'ses_1'"
    # Its neighbours can still be read.
    assert await ports.store.get_events("ses_1", ids=["evt_2"]) == read[1:]


@pytest.mark.parametrize("edit", OTHER_EDITS)
async def test_what_else_was_changed_is_refused(
    encrypted: Encrypted, edit: str
) -> None:
    """
    Of sessions, runs, items and artifacts, with their names.
    """
    ports = encrypted.ports()
    await store_all(ports)
    statement, read, subject = OTHER_EDITS[edit]
    await read(ports)

    assert await encrypted.execute(statement) == 1

    with pytest.raises(TamperedError) as caught:
        await read(ports)
    assert caught.value.subject == subject


async def test_without_its_key_store_nothing_is_read(encrypted: Encrypted) -> None:
    """
    A key that is missing is not said to be dropped.
    """
    ports = encrypted.ports()
    await store_all(ports)
    other = Encrypted(encrypted.raw)

    with pytest.raises(DecryptionError, match="the key store has no key") as caught:
        await other.ports().store.get_events("ses_1")
    assert not isinstance(caught.value, TamperedError)
    assert caught.value.subject == "event 'evt_1' of session 'ses_1'"


async def test_what_is_not_encrypted_is_read_where_that_is_allowed(
    encrypted: Encrypted,
) -> None:
    """
    As in a database that was begun in plain text; what is new is encrypted.
    """
    await encrypted.raw.store.save_session(make_session())
    await encrypted.raw.store.append_event(make_event(data={"content": "plain"}))
    ports = encrypted.ports(allow_plaintext=True)
    await ports.store.append_event(make_event(id="evt_2", data={"content": "sealed"}))

    read = await ports.store.get_events("ses_1")

    assert [event.data["content"] for event in read] == ["plain", "sealed"]
    assert "sealed" not in str((await stored_in(encrypted))[SECOND].data)
    with pytest.raises(TamperedError, match="it is not encrypted"):
        await encrypted.ports().store.get_events("ses_1")
