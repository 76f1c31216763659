"""
How the items of a session are copied: in parts, each gone on with by the next call.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import SessionDeletedError
from asm_async.sql import SQLSessionStore
from asm_async.testing.factories import make_event, make_item, make_session
from tests.integration.by_hand import issues_of


@pytest.mark.parametrize("fails_at", [1, 2, 3])
async def test_a_copy_that_broke_off_is_gone_on_with(
    engine: AsyncEngine, fails_at: int
) -> None:
    """
    By the same operation: until then it is closed, and what is copied is kept.
    """
    store = SQLSessionStore(engine)
    state = store.state_store()
    await store.save_session(make_session())
    await store.append_event(make_event())
    for start in (0, 1_000):
        await state.save_items(
            [
                make_item(scope="ses_1", key=f"{number:04}", session_id="ses_1")
                for number in range(start, start + 1_000)
            ]
        )
    copied: list[int] = []

    def fail_later(*told: Any) -> None:
        if told[2].startswith("INSERT INTO asm_state_items"):
            copied.append(1)
            if len(copied) == fails_at:
                raise RuntimeError

    fork = make_session(id="fork")
    sa_event.listen(engine.sync_engine, "before_cursor_execute", fail_later)
    with pytest.raises(RuntimeError):
        await store.copy_session("ses_1", fork, operation_id="op")
    if fails_at > 1:
        with pytest.raises(SessionDeletedError):
            await store.append_event(make_event(id="new", session_id="fork"))
        assert len(await state.list_items("fork")) == 900 * (fails_at - 1)
    await store.copy_session("ses_1", fork, operation_id="op")
    sa_event.remove(engine.sync_engine, "before_cursor_execute", fail_later)

    assert len(copied) == 4
    keys = [item.key for item in await state.list_session_items("fork")]
    assert keys == [f"{number:04}" for number in range(2_000)]
    await store.append_event(make_event(id="new", session_id="fork"))
    assert await issues_of(engine) == set()
    await state.aclose()
    await store.aclose()
