"""
What goes in comes out: equal, and of the same type.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import attrs
import pytest

from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.values.fields import MAX_COUNT, MAX_TEXT_LENGTH
from asm_async.values.json_values import (
    MAX_DEPTH,
    MAX_INTEGER_DIGITS,
    JSONObject,
    encode_json,
)
from asm_async.values.session import Session

__all__ = ["TestFidelity"]


def nested(levels: int) -> JSONObject:
    """
    Nest objects and arrays in turn, *levels* deep.
    """
    value: Any = {}
    for level in range(levels - 1, 0, -1):
        value = {"level": value} if level % 2 else [value]
    return cast("JSONObject", value)


_HARD_JSON: Mapping[str, JSONObject] = {
    "nul": {"\0": "a\0b\0", "": "\0"},
    "lone surrogates": {"\ud800": "\udc00 \ud83d", "x": "\udfff\ud800"},
    "text": {
        "unicode": "\u00e9 e\u0301 \u2028\u2029 \ufeff \ufffe \uffff \U0001f600",
        "escapes": "\\ \\u0000 \\x00 / ' \b \f \n \r \t \x1b \x7f \x85",
        "long": "\u00e9" * 100_000,
    },
    "integers": {
        "bounds": [0, -1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, -(2**64)],
        "longest": 10**MAX_INTEGER_DIGITS - 1,
        "longest below 0": 1 - 10**MAX_INTEGER_DIGITS,
    },
    "floats": {
        "signed zero": [0.0, -0.0],
        "last bits": [0.1, 0.1 + 0.2, 1 / 3, 2.0**53 + 2, 1e16, 1e22, 123456789.125],
        "bounds": [sys.float_info.max, sys.float_info.min, 5e-324, -5e-324],
    },
    "types": {"1": [1, 1.0, True, "1", None, [], {}, "", False, 0]},
    "order of keys": {"b": 1, "a": {"z": 1, "A": 2, "\u00e9": 3}, "10": 4, "9": 5},
    "keys": {"": 1, " ": 2, "__proto__": 3, "$ref": 4, "a.b[0]": 5, "'\"": 6},
    "depth": nested(MAX_DEPTH),
    "width": {"array": list(range(10_000)), "object": dict.fromkeys("abc", "x")},
    "nothing": {},
}

_HARD_TEXTS = (
    " leading and trailing ",
    "'; DROP TABLE asm_events; --",
    "100%_\\%",
    "$1 :name ? %s {0}",
    '"quoted" `so` [and so]',
    "NULL",
    "e\u0301",
    "\u00e9",
    "\u202eright to left",
    "line\nbreak\ttab\x1b",
    "\U0001f600" * MAX_TEXT_LENGTH,
    "A",
    "a",
)

_TIMES = (
    datetime.min.replace(tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(1582, 10, 10, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, 123_457, tzinfo=UTC),
    datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=14))),
    datetime.max.replace(tzinfo=UTC),
)


class TestFidelity(SessionStoreContract):
    """
    Whatever a value may hold comes back from every adapter as it went in.
    """

    @pytest.mark.parametrize("name", _HARD_JSON)
    async def test_any_json_comes_back_from_an_event(
        self, store: SessionStore, session: Session, name: str
    ) -> None:
        """
        Equal to the bit, of the same types, keys in order; in data and in metadata.
        """
        given = _HARD_JSON[name]
        event = make_event(session_id=session.id, data=given, metadata=given)
        stored = await store.append_event_with_sequence(event)
        [read] = await store.get_events("ses_1")
        for back in (stored, read):
            assert encode_json(back.data) == encode_json(given)
            assert encode_json(back.metadata) == encode_json(given)
        assert await store.append_event_with_sequence(event) == stored

    @pytest.mark.parametrize("name", _HARD_JSON)
    async def test_any_json_comes_back_from_a_session_and_a_run(
        self, store: SessionStore, name: str
    ) -> None:
        """
        In each of their fields that hold JSON; saving the same again is recognised.
        """
        given = _HARD_JSON[name]
        usage = {**given, "input_tokens": MAX_COUNT}
        session = make_session(metadata=given, context=given)
        run = make_run(
            input=given,
            output=given,
            error=given,
            metadata=given,
            token_usage=usage,
            provider_metadata=given,
        )
        saved = await store.save_session(session, operation_id="op")
        for back in (saved, await store.get_session("ses_1")):
            assert encode_json(back.to_dict()) == encode_json(saved.to_dict())
            assert back.has_same_content(session)
        ran = await store.save_run(run, operation_id="op")
        for back_run in (ran, await store.get_run("run_1")):
            assert encode_json(back_run.to_dict()) == encode_json(ran.to_dict())
            assert back_run.has_same_content(run)
        assert await store.save_session(session, operation_id="op") == saved
        assert await store.save_run(run, operation_id="op") == ran

    async def test_any_json_value_is_an_input_and_an_output(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        They need not be objects, and what is empty or zero is not nothing.
        """
        values: list[Any] = [None, True, False, 0, -0.0, 1.5, "", "\0", [], [None], {}]
        for number, value in enumerate(values):
            run = make_run(
                id=f"run_{number}", session_id=session.id, input=value, output=value
            )
            await store.save_run(run)
            read = await store.get_run(run.id)
            assert encode_json([read.input, read.output]) == encode_json([value] * 2)

    async def test_an_empty_error_is_not_the_absence_of_one(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        An empty object and None stay apart.
        """
        errors: tuple[JSONObject | None, ...] = ({}, None)
        for number, error in enumerate(errors):
            run = make_run(id=f"run_{number}", session_id=session.id, error=error)
            await store.save_run(run)
            assert (await store.get_run(run.id)).error == error

    async def test_any_text_comes_back_and_is_found(self, store: SessionStore) -> None:
        """
        Ids and other texts are compared exactly, and SQL never reads them.
        """
        for text in _HARD_TEXTS:
            result = make_execution_result(
                session=make_session(
                    id=text,
                    agent_id=text,
                    tenant_id=text,
                    user_id=text,
                    parent_session_id=text,
                ),
                run=make_run(id=text, session_id=text, provider=text),
                events=[
                    make_event(
                        id=text,
                        session_id=text,
                        run_id=text,
                        provider=text,
                        correlation_id=text,
                    )
                ],
            )
            flushed = await store.flush(result)
            assert await store.get_session(text) == flushed.session
            assert await store.list_sessions(agent_id=text) == [flushed.session]
            assert await store.list_sessions(tenant_id=text) == [flushed.session]
            assert await store.list_sessions(user_id=text) == [flushed.session]
            assert await store.list_runs(text) == [flushed.run]
            assert await store.get_run(text) == flushed.run
            assert await store.get_events(text, run_id=text) == [*flushed.events]
        assert len(await store.list_sessions()) == len(_HARD_TEXTS)

    async def test_tags_keep_their_order(self, store: SessionStore) -> None:
        """
        Each stands once, where it first stood; saving again replaces them.
        """
        tags = ("b", *_HARD_TEXTS, "a", "b")
        await store.save_session(make_session(tags=tags))
        read = await store.get_session("ses_1")
        assert read.tags == tuple(dict.fromkeys(tags))
        for fewer in (("z", "b"), ()):
            await store.save_session(make_session(tags=fewer))
            assert (await store.get_session("ses_1")).tags == fewer

    async def test_any_time_comes_back_in_utc(self, store: SessionStore) -> None:
        """
        From the year 1 to the year 9999, to the microsecond.
        """
        for number, time in enumerate(_TIMES):
            session_id = f"ses_{number}"
            result = make_execution_result(
                session=make_session(id=session_id, created_at=time, updated_at=time),
                run=make_run(
                    id=f"run_{number}",
                    session_id=session_id,
                    started_at=time,
                    ended_at=time,
                ),
                events=[make_event(session_id=session_id, timestamp=time)],
            )
            flushed = await store.flush(result)
            session = await store.get_session(session_id)
            run = await store.get_run(f"run_{number}")
            [event] = await store.get_events(session_id, since=time)
            assert (session, run) == (flushed.session, flushed.run)
            assert event == flushed.events[0]
            for back in (session.created_at, run.ended_at, event.timestamp):
                assert back == time
                assert back is not None
                assert back.tzinfo is UTC
        created = [session.created_at for session in await store.list_sessions()]
        assert created == sorted(_TIMES)

    async def test_numbers_come_back_to_the_last_bit(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        Costs are doubles; counts go up to 2**53 - 1.
        """
        costs = (0.0, 5e-324, 0.1 + 0.2, 1e-7, 123456.789, 1e15, None)
        for number, cost in enumerate(costs):
            run = make_run(
                id=f"run_{number}",
                session_id=session.id,
                cost_usd=cost,
                turn_count=MAX_COUNT - number,
            )
            await store.save_run(run)
            read = await store.get_run(run.id)
            assert repr(read.cost_usd) == repr(cost)
            assert read.turn_count == MAX_COUNT - number
        event = make_event(schema_version=MAX_COUNT, timestamp=NOON)
        await store.append_event(event)
        assert await store.get_events("ses_1") == [
            attrs.evolve(event, sequence_number=1)
        ]
