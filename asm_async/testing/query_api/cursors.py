"""
Cursors, and what is passed off as one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta, timezone
from itertools import product
from types import MappingProxyType
from typing import Any

import pytest

from asm_async.errors import InvalidCursorError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import (
    NOON,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.query_api.contract import QueryAPIContract, ids_of
from asm_async.values.cursor import MAX_CURSOR_LENGTH

__all__ = ["TestCursors"]

# Different searches, each of which has a second page.
_SEARCHES: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "sessions": ("search_sessions", {}),
        "sessions, other order": ("search_sessions", {"order_by": "created_at_desc"}),
        "sessions of an agent": ("search_sessions", {"agent_id": "assistant"}),
        "deleted sessions too": ("search_sessions", {"include_deleted": True}),
        "sessions with a tag": ("search_sessions", {"tags": ["tag"]}),
        "sessions of a status": ("search_sessions", {"status": "pending"}),
        "sessions of all statuses": ("search_sessions", {"status": ["pending"] * 2}),
        "runs": ("search_runs", {}),
        "runs, other order": ("search_runs", {"order_by": "token_usage_desc"}),
        "runs of any size": ("search_runs", {"min_tokens": 0}),
        "runs of a session": ("search_runs", {"session_id": "ses_1"}),
        "events": ("search_events", {}),
        "events, other order": ("search_events", {"order_by": "timestamp_asc"}),
        "events of a session": ("search_events", {"session_ids": ["ses_1"]}),
        "events of sessions": ("search_events", {"session_ids": ["ses_1", "x"]}),
        "events since": ("search_events", {"since": NOON}),
        "events since then": ("search_events", {"since": NOON - timedelta(days=1)}),
    }
)
# Said in other words, these are the same.
_SYNONYMS = (frozenset({"sessions of a status", "sessions of all statuses"}),)

_JUNK: tuple[Any, ...] = (
    "",
    " ",
    "\0",
    "\ud800",
    "\u00e9\u00e9\u00e9\u00e9",
    "=",
    "A",
    "AAAA",
    "!!!!",
    "null",
    "[1]",
    "../../etc/passwd",
    "' OR 1=1 --",
    "gASVBgAAAAAAAACMAngulC4",
    "A" * MAX_CURSOR_LENGTH,
    "A" * 1_000_000,
    7,
    b"AAAA",
    True,
    ["sessions"],
    {"cursor": "AAAA"},
    object(),
)

# What a forger may put in the place of a key, or of the whole.
_FORGED_KEYS: tuple[list[Any], ...] = (
    [],
    ["2026-01-02T12:00:00+00:00"],
    ["2026-01-02T12:00:00+00:00", "ses_1", "more"],
    ["2026-01-02T12:00:00", "ses_1"],
    ["never", "ses_1"],
    ["0001-01-01T00:00:00+23:00", "ses_1"],
    [0, "ses_1"],
    [None, None],
    [True, "ses_1"],
    [1e400, "ses_1"],
    ["2026-01-02T12:00:00+00:00", ""],
    ["2026-01-02T12:00:00+00:00", "a\0"],
    ["2026-01-02T12:00:00+00:00", "\ud800"],
    ["2026-01-02T12:00:00+00:00", "x" * 256],
    ["2026-01-02T12:00:00+00:00", 7],
    ["2026-01-02T12:00:00+00:00", {"$gt": ""}],
    ["2026-01-02T12:00:00+00:00", ["ses_1"]],
)


def opened(cursor: str) -> Any:
    """
    Return what is sealed in a cursor.
    """
    return json.loads(base64.urlsafe_b64decode(cursor + "==")[16:])


def sealed(body: bytes) -> str:
    """
    Make text of *body* that looks like a cursor, down to the checksum.
    """
    packed = hashlib.sha256(body).digest()[:16] + body
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


class TestCursors(QueryAPIContract):
    """
    A cursor is good for its own search alone, and nothing else is a cursor.
    """

    async def test_a_cursor_is_short_plain_text(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Fit for a URL, and bounded whatever the ids are.
        """
        longest = "\x01" * 255
        for id_ in (longest, "\U0001f600" * 255, "z"):
            await store.save_session(make_session(id=id_))
        page = await query_api.search_sessions(limit=1)
        while page.cursor is not None:
            assert len(page.cursor) <= MAX_CURSOR_LENGTH
            assert page.cursor.replace("-", "").replace("_", "").isalnum()
            assert page.cursor.isascii()
            page = await query_api.search_sessions(limit=1, cursor=page.cursor)
        assert ids_of(page) == [longest]

    async def test_the_length_of_pages_may_change(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Also counting may begin or end on any page, and a cursor may be used twice.
        """
        for number in range(1, 6):
            await store.save_session(make_session(id=f"ses_{number}"))
        first = await query_api.search_sessions(limit=1)
        for limit in (2, 4, 2):
            page = await query_api.search_sessions(
                limit=limit, cursor=first.cursor, count_total=True
            )
            assert ids_of(page) == [
                f"ses_{number}" for number in range(4, 4 - limit, -1)
            ]
            assert page.total_count == 5

    async def test_the_same_filters_may_be_said_otherwise(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        In another order, kind of collection or time zone they are the same.
        """
        for number in range(1, 4):
            session = make_session(id=f"ses_{number}", tags=["one", "two"])
            await store.save_session(session)
        then = NOON - timedelta(hours=1)
        page = await query_api.search_sessions(
            tags=["one", "two"], created_after=then, limit=1
        )
        there = then.astimezone(timezone(timedelta(hours=9)))
        rest = await query_api.search_sessions(
            tags={"two", "one"}, created_after=there, cursor=page.cursor
        )
        assert ids_of(rest) == ["ses_2", "ses_1"]

    async def test_a_cursor_is_refused_by_every_other_search(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Of another resource, another order, or other filters.
        """
        await self._save_two_of_each(store)
        cursors = {
            name: (await getattr(query_api, search)(**arguments, limit=1)).cursor
            for name, (search, arguments) in _SEARCHES.items()
        }
        assert None not in cursors.values()
        for name, other in product(_SEARCHES, repeat=2):
            search, arguments = _SEARCHES[name]
            call = getattr(query_api, search)(**arguments, cursor=cursors[other])
            if name == other or frozenset({name, other}) in _SYNONYMS:
                assert len((await call).items) == 1
            else:
                with pytest.raises(
                    InvalidCursorError, match="cursor: it belongs to anot"
                ):
                    await call

    async def test_no_changed_cursor_passes(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Whichever character is changed, added or left out.
        """
        await self._save_two_of_each(store)
        cursor = (await query_api.search_sessions(limit=1)).cursor
        assert cursor is not None
        changed = [cursor[:-1], cursor[1:], f"{cursor}A", f"{cursor}=", f" {cursor}"]
        changed += [f"{cursor}\n", cursor.swapcase(), cursor[::-1], cursor * 2]
        for place, letter in enumerate(cursor):
            for another in {"A", "_", "\u00e9", "+"} - {letter}:
                changed.append(cursor[:place] + another + cursor[place + 1 :])
        for text in changed:
            with pytest.raises(InvalidCursorError):
                await query_api.search_sessions(cursor=text)

    async def test_junk_is_no_cursor(self, query_api: QueryAPI) -> None:
        """
        Whatever it is, the error is the same, and says what it is about.
        """
        for search in ("search_sessions", "search_runs", "search_events"):
            for junk in _JUNK:
                with pytest.raises(InvalidCursorError, match=r"^cursor: "):
                    await getattr(query_api, search)(cursor=junk)

    async def test_a_forged_cursor_does_no_harm(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Also with the right checksum, a key must be one, and nothing is executed.
        """
        await self._save_two_of_each(store)
        cursor = (await query_api.search_sessions(limit=1)).cursor
        assert cursor is not None
        search = opened(cursor)[:4]
        bodies = [json.dumps([*search, *key]).encode() for key in _FORGED_KEYS]
        bodies += [b"", b"\xff", b"7", b"{}", b"null", b"NaN", b"[" * 3_000]
        bodies += [json.dumps(search[:3]).encode(), b"[" + b"9" * 2_900 + b"]"]
        bodies += [json.dumps([[[]], {}, *opened(cursor)[2:]]).encode()]
        for body in bodies:
            with pytest.raises(InvalidCursorError, match=r"^cursor: "):
                await query_api.search_sessions(cursor=sealed(body))
        assert sealed(json.dumps(opened(cursor)).encode()) == cursor

    async def test_forged_numbers_fit_the_database(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A number beyond any that is stored is refused, or leads behind the last item.
        """
        await self._save_two_of_each(store)
        page = await query_api.search_events(limit=1)
        assert page.cursor is not None
        search = opened(page.cursor)[:4]
        for number in (-1, 2**63, 10**100, 1.5, "1"):
            forged = sealed(json.dumps([*search, "ses_1", number]).encode())
            with pytest.raises(InvalidCursorError):
                await query_api.search_events(cursor=forged)
        forged = sealed(json.dumps([*search, "ses_1", 2**63 - 1]).encode())
        assert (await query_api.search_events(cursor=forged)).items == ()

    async def _save_two_of_each(self, store: SessionStore) -> None:
        session = make_session(tags=["tag"])
        await store.flush(make_execution_result(session=session))
        await store.save_run(make_run(id="run_2"))
        await store.save_session(make_session(id="ses_2", tags=["tag"]))
