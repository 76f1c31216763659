"""
Retractions, judged by the histories of those who called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asm_async.memory import InMemorySessionStore
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.history import (
    HistoryError,
    HistoryWriter,
    RecordingSessionStore,
    check_history,
    read_contents,
    read_history,
)


async def test_a_retraction_is_known_by_its_operation(tmp_path: Path) -> None:
    """
    Acknowledged or not, its event is one that was appended; another is not.
    """
    plain_store = InMemorySessionStore()
    path = tmp_path / "b.jsonl"
    with HistoryWriter(path) as history:
        store = RecordingSessionStore(plain_store, history)
        await store.save_session(make_session())
        await store.append_events(make_events(2))
        new = [make_event(id="evt_3")]
        await store.retract_events("ses_1", first=1, last=1, replacement=new)
        options: dict[str, Any] = {"first": 2, "last": 2, "operation_id": "op"}
        assert len(await store.get_events("ses_1", visible_only=True)) == 2
        history.begin("retract_events", session_id="ses_1", replacement=[], **options)
        await plain_store.retract_events("ses_1", **options)
    calls = read_history(path)
    check_history(calls, await read_contents(plain_store, ["ses_1"]))

    (strange,) = await plain_store.retract_events("ses_1", first=2, last=2)
    contents = await read_contents(plain_store, ["ses_1"])
    with pytest.raises(HistoryError, match=f"{strange.id}.* nobody appended it"):
        check_history(calls, contents)
