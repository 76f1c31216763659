"""
What is refused before anything is read or written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import pytest

from asm_async.errors import ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.values.fields import MAX_COUNT, MAX_TEXT_LENGTH
from asm_async.values.json_values import MAX_DEPTH, MAX_INTEGER_DIGITS

__all__ = ["TestRefusals"]

Call: TypeAlias = Coroutine[Any, Any, object]


def too_deep() -> list[Any]:
    """
    Nest arrays to the level that no object may hold them at.
    """
    value: list[Any] = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    return value


_NO_JSON: Mapping[str, Callable[[], object]] = {
    "a nan": lambda: math.nan,
    "an infinity": lambda: -math.inf,
    "bytes": lambda: b"bytes",
    "a set": set,
    "a time": lambda: datetime(2026, 1, 1),  # noqa: DTZ001 - a naive one is wanted
    "a key that is no string": lambda: {1: "one"},
    "too many digits": lambda: 10**MAX_INTEGER_DIGITS,
    "too many levels": too_deep,
}

_NO_TEXTS: tuple[Any, ...] = (
    "",
    "x" * (MAX_TEXT_LENGTH + 1),
    "a\0b",
    "\ud800",
    7,
    b"ses_1",
)

_NO_COUNTS: tuple[Any, ...] = (-1, True, 1.0, "1", MAX_COUNT + 1)


async def refuse(call: Call, message: str) -> None:
    """
    Expect *call* to be refused with a message that starts with *message*.
    """
    with pytest.raises(ValidationError, match=f"^{re.escape(message)}"):
        await call


async def assert_empty(store: SessionStore) -> None:
    """
    Prove that the one session there is has neither changed nor gained anything.
    """
    assert await store.list_sessions() == [make_session(revision=1)]
    assert await store.list_runs("ses_1") == []
    assert await store.get_events("ses_1") == []
    assert await store.get_latest_sequence("ses_1") == 0


@pytest.mark.usefixtures("session")
class TestRefusals(SessionStoreContract):
    """
    A bad argument is a ValidationError that names it, and nothing is written.
    """

    @pytest.mark.parametrize("name", _NO_JSON)
    async def test_what_is_not_json_is_refused_with_its_path(
        self, store: SessionStore, name: str
    ) -> None:
        """
        No value can be made of it, so that no store ever sees it.
        """
        bad = {"steps": ["fine", {"result": _NO_JSON[name]()}]}
        where = "['steps'][1]['result']"
        for make, field in (
            (make_event, "data"),
            (make_event, "metadata"),
            (make_session, "context"),
            (make_run, "output"),
        ):
            with pytest.raises(ValidationError, match=re.escape(f"{field}{where}")):
                make(**{field: bad})
        await assert_empty(store)

    @pytest.mark.parametrize("name", _NO_JSON)
    async def test_json_that_was_spoilt_later_is_refused_with_its_path(
        self, store: SessionStore, name: str
    ) -> None:
        """
        A value's objects can be changed after it was made; the store looks again.
        """
        event = make_event(id="evt_2", data={"steps": []})
        event.data["steps"].append(_NO_JSON[name]())
        session = make_session(metadata={"steps": []})
        session.metadata["steps"].append(_NO_JSON[name]())
        run = make_run(output={"steps": []})
        run.output["steps"].append(_NO_JSON[name]())
        result = make_execution_result(events=[make_event(), event])
        calls: dict[str, list[Call]] = {
            "data": [
                store.append_event(event),
                store.append_event_with_sequence(event),
                store.append_events([make_event(), event]),
                store.flush(result),
            ],
            "metadata": [store.save_session(session)],
            "output": [store.save_run(run)],
        }
        for field, spoilt in calls.items():
            for call in spoilt:
                with pytest.raises(ValidationError) as caught:
                    await call
                assert f"{field}['steps'][0]" in str(caught.value)
        await assert_empty(store)

    async def test_an_id_that_is_no_text_is_refused(self, store: SessionStore) -> None:
        """
        Also where it is only looked up: a database might stumble over it.
        """
        for bad in _NO_TEXTS:
            calls: dict[str, list[Call]] = {
                "session_id": [
                    store.get_session(bad),
                    store.delete_session(bad),
                    store.list_runs(bad),
                    store.get_active_run(bad),
                    store.get_events(bad),
                    store.get_latest_sequence(bad),
                ],
                "run_id": [store.get_run(bad), store.get_events("ses_1", run_id=bad)],
                "correlation_id": [store.get_events("ses_1", correlation_id=bad)],
                "ids[0]": [store.get_events("ses_1", ids=[bad])],
                "agent_id": [store.list_sessions(agent_id=bad)],
                "tenant_id": [store.list_sessions(tenant_id=bad)],
                "user_id": [store.list_sessions(user_id=bad)],
            }
            for name, refused in calls.items():
                for call in refused:
                    await refuse(call, name)

    async def test_a_number_that_counts_nothing_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        Neither negative ones nor other types, nor what no JSON reader holds exactly.
        """
        for bad in _NO_COUNTS:
            calls: dict[str, list[Call]] = {
                "limit": [
                    store.list_sessions(limit=bad),
                    store.list_runs("ses_1", limit=bad),
                    store.get_events("ses_1", limit=bad),
                ],
                "offset": [store.list_sessions(offset=bad)],
                "last": [store.get_events("ses_1", last=bad)],
                "after": [store.get_events("ses_1", after=bad)],
                "before": [store.get_events("ses_1", before=bad)],
                "expected_sequence": [
                    store.append_event(make_event(), expected_sequence=bad),
                    store.append_event_with_sequence(
                        make_event(), expected_sequence=bad
                    ),
                    store.append_events(make_events(2), expected_sequence=bad),
                    store.flush(make_execution_result(), expected_sequence=bad),
                ],
                "expected_revision": [
                    store.save_session(make_session(), expected_revision=bad),
                    store.save_run(make_run(), expected_revision=bad),
                ],
            }
            for name, refused in calls.items():
                for call in refused:
                    await refuse(call, name)
        await assert_empty(store)

    async def test_a_filter_that_cannot_match_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        A misspelt status or type, a naive time and an endless wait are mistakes.
        """
        unknown: Any = "nonsense"
        naive = datetime(2026, 1, 1)  # noqa: DTZ001 - a naive one is wanted
        await refuse(store.list_sessions(status=unknown), "status")
        await refuse(store.list_sessions(include_deleted=unknown), "include_deleted")
        await refuse(store.list_runs("ses_1", status=unknown), "status")
        await refuse(store.get_events("ses_1", type="nodot"), "type")
        await refuse(store.get_events("ses_1", type="asm.reserved"), "type")
        await refuse(store.get_events("ses_1", since=naive), "since")
        waits: tuple[Any, ...] = (-1, math.nan, math.inf, "1", True)
        for wait in waits:
            await refuse(store.get_events("ses_1", wait_timeout=wait), "wait_timeout")

    async def test_what_is_no_value_of_the_port_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        Another kind of value, a dictionary or nothing at all cannot be stored.
        """
        others: tuple[Any, ...] = (None, {}, "ses_1", object())
        for other in others:
            calls: dict[str, list[Call]] = {
                "session": [store.save_session(other)],
                "run": [store.save_run(other)],
                "event": [
                    store.append_event(other),
                    store.append_event_with_sequence(other),
                    store.append_events([make_event(), other]),
                ],
                "result": [store.flush(other)],
            }
            for name, refused in calls.items():
                for call in refused:
                    await refuse(call, name)
        await assert_empty(store)
