"""
The database refuses one of a transaction's statements.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import NotFoundError, StorageError
from asm_async.sql import SQLSessionStore
from asm_async.testing.factories import (
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from tests.fault.faulty_connections import at_statement


async def fail(driver: Any) -> None:
    """
    Make the transaction fail for good, by a statement that is wrong.
    """
    await driver.execute("SELEC")


async def test_a_flush_that_fails_at_any_statement_stores_nothing(
    engine: AsyncEngine,
) -> None:
    """
    Session, run, tags, events and counter are written whole or not at all.
    """
    store = SQLSessionStore(engine)
    for skipped in count():
        id_ = f"ses_{skipped}"
        result = make_execution_result(
            session=make_session(id=id_, tags=["one", "two"]),
            run=make_run(session_id=id_),
            events=make_events(3, session_id=id_),
        )
        with at_statement(engine, "", fail, skipped=skipped) as failed:
            try:
                await store.flush(result)
            except StorageError as error:
                assert not error.outcome_unknown
                assert not error.retryable
        if not failed:
            break

        with pytest.raises(NotFoundError):
            await store.get_session(id_)
        with pytest.raises(NotFoundError):
            await store.get_run("run_1")
        assert await store.get_events(id_) == []
        # The pool's next transaction is sound, and no number was used up.
        await store.save_session(make_session(id=id_))
        (stored,) = await store.append_events(make_events(1, session_id=id_))
        assert stored.sequence_number == 1
    assert skipped > 5
    assert (await store.get_run("run_1")).session_id == id_


async def test_a_deletion_that_fails_at_any_statement_deletes_nothing(
    engine: AsyncEngine,
) -> None:
    """
    A hard delete is whole or not at all.
    """
    store = SQLSessionStore(engine)
    result = make_execution_result(session=make_session(tags=["one"]))
    await store.flush(result)
    for skipped in count():
        with at_statement(engine, "", fail, skipped=skipped) as failed:
            try:
                await store.delete_session("ses_1")
            except StorageError as error:
                assert not error.outcome_unknown
        if not failed:
            break

        assert (await store.get_session("ses_1")).tags == ("one",)
        assert len(await store.list_runs("ses_1")) == 1
        assert len(await store.get_events("ses_1")) == 2
    assert skipped > 5
    assert await store.get_events("ses_1") == []
