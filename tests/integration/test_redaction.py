"""
A redacting store on every database: repeated calls, expectations, imports.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    EventConflictError,
    RevisionConflictError,
    SequenceConflictError,
    ValidationError,
)
from asm_async.memory import (
    InMemoryDatabase,
    InMemoryQueryAPI,
    InMemorySessionStore,
    InMemoryStateStore,
)
from asm_async.redaction import (
    RedactingSessionStore,
    RedactingStateStore,
    RedactionPolicy,
    redacted_export,
)
from asm_async.sql import SQLQueryAPI, SQLSessionStore, SQLStateStore
from asm_async.testing.factories import (
    make_event,
    make_execution_result,
    make_item,
    make_run,
    make_session,
    numbered,
)
from asm_async.testing.query_api.transfer import exported, pieces

POLICY = RedactionPolicy(keys=["token"], patterns=["sk-[0-9]+"])
SECRETS = {"token": 1, "text": "it is sk-42", "n": 1.0}
CLEAN = {"token": "[redacted]", "text": "it is [redacted]", "n": 1.0}


@pytest.fixture
async def plain(engine: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Yield the store that is written to in the end.
    """
    store = SQLSessionStore(engine)
    yield store
    await store.aclose()


@pytest.fixture
async def store(plain: SQLSessionStore) -> RedactingSessionStore:
    """
    Return a redacting store in front of it, with a live session.
    """
    store = RedactingSessionStore(plain, POLICY)
    await store.save_session(make_session(metadata=SECRETS))
    return store


async def test_what_comes_back_is_what_is_stored(
    store: RedactingSessionStore, plain: SQLSessionStore
) -> None:
    """
    All JSON fields of all values are redacted, whichever method writes them.
    """
    run = make_run(
        input=SECRETS,
        output=[SECRETS],
        error=SECRETS,
        metadata=SECRETS,
        provider_metadata=SECRETS,
        token_usage={"input_tokens": 3, "a": SECRETS},
    )
    flushed = await store.flush(
        make_execution_result(
            session=make_session(metadata=SECRETS, context=SECRETS),
            run=run,
            events=[make_event(data=SECRETS, metadata=SECRETS)],
        )
    )

    assert flushed.session == make_session(metadata=CLEAN, context=CLEAN, revision=2)
    assert flushed.run == make_run(
        input=CLEAN,
        output=[CLEAN],
        error=CLEAN,
        metadata=CLEAN,
        provider_metadata=CLEAN,
        token_usage={"input_tokens": 3, "a": CLEAN},
        revision=1,
    )
    assert list(flushed.events) == numbered([make_event(data=CLEAN, metadata=CLEAN)])
    assert await plain.get_session("ses_1") == flushed.session
    assert await plain.get_run("run_1") == flushed.run
    assert await plain.get_events("ses_1") == list(flushed.events)


async def test_an_append_that_is_repeated_is_recognised(
    store: RedactingSessionStore,
) -> None:
    """
    The same content is redacted to the same; other content is refused as ever.
    """
    event = make_event(data=SECRETS)
    stored = await store.append_event_with_sequence(event, expected_sequence=0)

    assert await store.append_events([event], expected_sequence=0) == [stored]
    assert await store.append_event_with_sequence(make_event(data=CLEAN)) == stored
    with pytest.raises(EventConflictError):
        await store.append_event(make_event(data=SECRETS | {"n": 1}))
    with pytest.raises(SequenceConflictError):
        await store.append_event(make_event(id="evt_2"), expected_sequence=0)


async def test_a_replacement_is_redacted_and_a_retraction_is_not(
    plain: SQLSessionStore, engine: AsyncEngine
) -> None:
    """
    Whatever keys a policy names: what is hidden here is hidden where it is imported.
    """
    policy = RedactionPolicy(keys=["token", "hidden", "first"])
    store = RedactingSessionStore(plain, policy)
    await store.save_session(make_session())
    await store.append_event(make_event(id="evt_0"))
    told, new = await store.retract_events(
        "ses_1", first=1, last=1, replacement=[make_event(data={"token": "x"})]
    )
    export = pieces(await exported(SQLQueryAPI(engine)))
    lines = [line async for line in redacted_export(export, policy)]

    assert told.data == {"first": 1, "last": 1, "hidden": [[1, 1]]}
    assert new.data == {"token": "[redacted]"}
    assert any(b'"hidden":[[1,1]]' in line for line in lines)


async def test_a_save_that_is_repeated_is_recognised(
    store: RedactingSessionStore,
) -> None:
    """
    It is known by the id of its operation, as what it was redacted to.
    """
    session = make_session(context=SECRETS)
    same: Any = {"expected_revision": 1, "operation_id": "op_1"}
    saved = await store.save_session(session, **same)

    assert await store.save_session(session, **same) == saved
    with pytest.raises(RevisionConflictError):
        await store.save_session(make_session(), expected_revision=1)


async def test_what_was_stored_unredacted_is_other_content(
    store: RedactingSessionStore, plain: SQLSessionStore
) -> None:
    """
    A repetition under another policy than the first time conflicts, and says so.
    """
    event = make_event(data=SECRETS)
    await plain.append_event(event)

    with pytest.raises(EventConflictError):
        await store.append_event(event)


async def test_a_value_that_was_spoilt_since_is_refused_before_it_is_walked(
    store: RedactingSessionStore,
) -> None:
    """
    The bounds hold as without redaction, and the culprit is named.
    """
    event = make_event(data={})
    event.data["a"] = event.data

    with pytest.raises(ValidationError, match=r"^events\[0\]\.data"):
        await store.append_event(event)
    with pytest.raises(ValidationError, match=r"^policy: expected a RedactionPolicy"):
        RedactingSessionStore(store, cast("RedactionPolicy", {"keys": ["a"]}))


async def test_an_import_is_redacted_on_its_way(engine: AsyncEngine) -> None:
    """
    Nothing of it is stored unredacted, and it may be repeated.
    """
    database = InMemoryDatabase()
    await InMemorySessionStore(database).flush(
        make_execution_result(
            session=make_session(metadata=SECRETS),
            run=make_run(input=SECRETS),
            events=[make_event(data=SECRETS)],
        )
    )
    await InMemoryStateStore(database).save_items(
        [
            make_item(data=SECRETS, content=b"sk-1", session_id="ses_1"),
            make_item(key="of none", data=SECRETS),
        ]
    )
    data = await exported(InMemoryQueryAPI(database))
    query = SQLQueryAPI(engine)

    async def read() -> AsyncGenerator[bytes]:
        yield data

    first = await query.import_sessions(redacted_export(read(), POLICY))
    second = await query.import_sessions(redacted_export(read(), POLICY))

    assert (first.sessions_imported, second.sessions_unchanged) == (1, 1)
    export = await query.export_session("ses_1")
    assert export.session.metadata == CLEAN
    assert export.runs[0].input == CLEAN
    assert export.events[0].data == CLEAN
    assert (export.items[0].data, export.items[0].content) == (CLEAN, b"sk-1")
    state = SQLStateStore(engine)
    assert (await state.get_items("app/user", ["of none"]))["of none"].data == CLEAN
    await state.aclose()


@pytest.mark.parametrize(
    ("before", "kept", "after", "culprit"),
    [
        (b"{", 2, b"", "line 1: this is not JSON"),
        (b"", 1, b"", "line 2: the export is cut off"),
        (b"", 2, b"{}\n", "line 3: something follows the end"),
        (b"[]\n", 2, b"", "line 1: expected a JSON object"),
    ],
)
async def test_a_wrong_export_is_refused_by_its_line(
    before: bytes, kept: int, after: bytes, culprit: str
) -> None:
    """
    Redacting is no way around the checks of an import.
    """
    data = await exported(InMemoryQueryAPI(InMemoryDatabase()))

    async def read() -> AsyncGenerator[bytes]:
        yield before + b"".join(data.splitlines(keepends=True)[:kept]) + after

    with pytest.raises(ValidationError, match=culprit):
        async for _ in redacted_export(read(), POLICY):
            pass


async def test_the_data_of_state_items_is_redacted_and_nothing_else(
    engine: AsyncEngine,
) -> None:
    """
    Their content is opaque; a repeated call is recognised by what it stores.
    """
    plain = SQLStateStore(engine)
    state = RedactingStateStore(plain, POLICY)
    item = make_item(scope="sk-1", key="sk-2", data=SECRETS, content=b"sk-3")

    first = await state.save_items([item], operation_id="op")

    assert await state.save_items([item], operation_id="op") == first
    assert await plain.list_items("sk-1") == first
    (stored,) = first
    assert stored.data == CLEAN
    assert (stored.key, stored.content) == ("sk-2", b"sk-3")
    await state.aclose()
