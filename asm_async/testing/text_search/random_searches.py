"""
Random logs that are searched, and an oracle that looks at everything.

The oracle knows each text by the words that it was made of, in the form in which they
are compared, and each query by its parts: it shares no code with what reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random
from types import MappingProxyType
from typing import Literal, TypeAlias

import attrs
import pytest

from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.backend import TextSearchBackend
from asm_async.testing.factories import NOON, make_event, make_session
from asm_async.testing.text_search.contract import TextSearchContract, pages_of

__all__ = ["TestRandomSearches"]

# Words as they are written, and as they are compared.
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "lost": "lost",
        "Lost": "lost",
        "LUGGAGE": "luggage",
        "luggage": "luggage",
        "lug": "lug",
        "Café": "cafe",
        "cafe\u0301": "cafe",
        "straße": "strasse",
        "STRASSE": "strasse",
        "Ёж": "еж",
        "ﬁnd": "find",
        "finder": "finder",
        "\uff12\uff10\uff12\uff16": "2026",
        "20": "20",
        "a": "a",
        "and": "and",
        "हिन्दी": "हिन्दी",
    }
)

# Of texts without spaces any part is found.
_RUNS = (
    "東京都",
    "京都",
    "東京",
    "京",
    "にほんご",
    "日本語を東京で",
    "สวัสดี",
    "서울에서",
)

_GAPS = (" ", ", ", "\n", " — ", "!? ", " (", "\0", " 🎉 ")

Clause: TypeAlias = tuple[Literal["words", "prefix", "part"], tuple[str, ...]]


@attrs.frozen
class Said:
    """
    A text and the words that it is made of, as they are compared.
    """

    text: str
    units: tuple[str, ...]


@attrs.frozen
class Asked:
    """
    A query and what it is made of.
    """

    query: str
    wanted: tuple[Clause, ...]
    unwanted: tuple[Clause, ...]

    def finds(self, units: Sequence[str]) -> bool:
        """
        Return whether a text of these words is found.
        """
        return (
            bool(self.wanted)
            and all(_has(units, clause) for clause in self.wanted)
            and not any(_has(units, clause) for clause in self.unwanted)
        )


@attrs.define
class Entry:
    """
    A text that may be found, and whether a reader can see it.
    """

    session_id: str
    number: int
    said: Said
    role: str | None
    seconds: int


def _has(units: Sequence[str], clause: Clause) -> bool:
    kind, words = clause
    if kind == "part":
        return any(words[0] in unit for unit in units if not _is_run(unit))
    size = len(words)
    return any(
        _stands(units[at : at + size], words, is_prefix=kind == "prefix")
        for at in range(len(units) - size + 1)
    )


def _stands(units: Sequence[str], words: Sequence[str], *, is_prefix: bool) -> bool:
    """
    Return whether words are these units, the outer ones perhaps parts of runs.
    """
    last = len(words) - 1
    for at, (unit, word) in enumerate(zip(units, words, strict=True)):
        if _is_run(word):
            if not _is_run(unit):
                return False
            begins, ends = unit.startswith(word), unit.endswith(word)
            inside = word in unit
            fits = {
                (True, True): inside,
                (True, False): ends,
                (False, True): begins,
                (False, False): word == unit,
            }[at == 0, at == last]
            if not fits:
                return False
        elif at == last and is_prefix:
            if _is_run(unit) or not unit.startswith(word):
                return False
        elif unit != word:
            return False
    return True


def _is_run(unit: str) -> bool:
    return ord(unit[0]) >= 0x3000 or "\u0e00" <= unit[0] < "\u0f00"


def make_said(random: Random) -> Said:
    """
    Make up to twelve words in a row.
    """
    text, units = "", list[str]()
    for _ in range(random.randint(0, 12)):
        if random.random() < 0.3:
            written = unit = random.choice(_RUNS)
        else:
            written, unit = random.choice(list(_WORDS.items()))
        text += written + random.choice(_GAPS)
        units.append(unit)
    return Said(text, tuple(units))


def make_asked(random: Random) -> Asked:
    """
    Make a query of up to four parts, some of which are unwanted.
    """
    pieces: list[str] = []
    sides: tuple[list[Clause], list[Clause]] = ([], [])
    for _ in range(random.randint(1, 4)):
        is_unwanted = random.random() < 0.25
        text, clause = _make_clause(random)
        pieces.append(f"{'-' * is_unwanted}{text}")
        sides[is_unwanted].append(clause)
    return Asked(" ".join(pieces), tuple(sides[0]), tuple(sides[1]))


def _make_clause(random: Random) -> tuple[str, Clause]:
    written, unit = random.choice(list(_WORDS.items()))
    match random.choice(("word", "word", "run", "phrase", "prefix", "part")):
        case "run":
            run = random.choice(_RUNS)
            begin = random.randrange(len(run))
            part = run[begin : begin + random.randint(1, 4)]
            return part, ("words", (part,))
        case "phrase":
            some = [random.choice(list(_WORDS.items())) for _ in range(2)]
            if random.random() < 0.4:
                run = random.choice(_RUNS)
                some[random.randrange(2)] = (run, run)
            text = " ".join(each for each, _ in some)
            return f'"{text}"', ("words", tuple(each for _, each in some))
        case "prefix":
            prefix = unit[: random.randint(1, len(unit))]
            return f"{prefix}*", ("prefix", (prefix,))
        case "part":
            begin = random.randrange(len(unit))
            part = unit[begin : begin + random.randint(3, 5)]
            if len(part) >= 3 and part.isascii():
                return f"*{part}*", ("part", (part,))
        case _:
            pass
    return written, ("words", (unit,))


class TestRandomSearches(TextSearchContract):
    """
    No adapter differs from the oracle.
    """

    @pytest.mark.parametrize("seed", range(6))
    async def test_a_search_finds_what_the_oracle_finds(
        self,
        store: SessionStore,
        search: TextSearch,
        backend: TextSearchBackend,
        seed: int,
    ) -> None:
        """
        Whatever was said, retracted, pruned, deleted, restored and indexed meanwhile.
        """
        random = Random(seed)  # noqa: S311 - nothing is secret here
        log = _Log(store, search, backend, random)
        for _ in range(60):
            await log.take_step()
        await search.update()

        assert await log.differences(150) == []


class _Log:
    """
    A log that grows and shrinks, and what a reader can see of it.
    """

    def __init__(
        self,
        store: SessionStore,
        search: TextSearch,
        backend: TextSearchBackend,
        random: Random,
    ) -> None:
        self._store = store
        self._search = search
        self._backend = backend
        self._random = random
        self._entries: list[Entry] = []
        self._owners: dict[str, str | None] = {}
        self._deleted: set[str] = set()
        self._ids = iter(range(10**6))

    async def take_step(self) -> None:
        """
        Do one of all that can happen to a log.
        """
        live = [each for each in self._owners if each not in self._deleted]
        step = self._random.choice(
            (
                "begin",
                *["say"] * 6,
                "retract",
                "prune",
                "delete",
                "restore",
                "erase",
                "update",
            )
        )
        if step == "update":
            await self._search.update()
        elif step == "restore" and self._deleted:
            session_id = self._random.choice(sorted(self._deleted))
            await self._backend.restore(session_id)
            self._deleted.remove(session_id)
        elif step == "begin" or not live:
            await self._begin()
        else:
            session_id = self._random.choice(live)
            await getattr(self, f"_{step}", self._say)(session_id)

    async def differences(self, count: int) -> list[tuple[str, object, object]]:
        """
        Return the queries whose answers are not the oracle's, with both.
        """
        wrong: list[tuple[str, object, object]] = []
        for _ in range(count):
            asked = make_asked(self._random)
            tenant = self._random.choice((None, None, "one", "two"))
            role = self._random.choice((None, None, "user", "assistant"))
            since = self._random.choice((None, None, 3))
            found = await pages_of(
                self._search,
                asked.query,
                tenant_id=tenant,
                roles=role,
                since=None if since is None else NOON + timedelta(seconds=since),
                order_by=self._random.choice(("relevance", "time")),
                limit=self._random.choice((3, 1_000)),
            )
            actual = sorted(
                (each.session.id, each.event.sequence_number if each.event else 0)
                for each in found
            )
            expected = sorted(
                (entry.session_id, entry.number)
                for entry in self._entries
                if entry.session_id not in self._deleted
                and tenant in (None, self._owners[entry.session_id])
                and role in (None, entry.role)
                and (since is None or since <= entry.seconds)
                and asked.finds(entry.said.units)
            )
            if actual != expected:
                wrong.append((asked.query, actual, expected))
        return wrong

    async def _begin(self) -> None:
        session_id = f"ses_{next(self._ids)}"
        said = make_said(self._random)
        owner = self._random.choice((None, "one", "two"))
        await self._store.save_session(
            make_session(id=session_id, tenant_id=owner, metadata={"title": said.text})
        )
        self._owners[session_id] = owner
        if said.text.strip():
            self._entries.append(Entry(session_id, 0, said, None, 0))

    async def _say(self, session_id: str) -> None:
        for _ in range(self._random.randint(1, 5)):
            said, seconds = make_said(self._random), self._random.randrange(6)
            role = self._random.choice(("user", "assistant"))
            event = await self._store.append_event_with_sequence(
                make_event(
                    id=f"evt_{next(self._ids)}",
                    session_id=session_id,
                    timestamp=NOON + timedelta(seconds=seconds),
                    data={"content": said.text, "role": role},
                )
            )
            number = event.sequence_number
            self._entries.append(Entry(session_id, number, said, role, seconds))

    async def _retract(self, session_id: str) -> None:
        if numbers := self._numbers(session_id):
            first, last = sorted(self._random.choices(numbers, k=2))
            last = min(last, first + 3)
            await self._store.retract_events(session_id, first=first, last=last)
            self._forget(session_id, set(range(first, last + 1)))

    async def _prune(self, session_id: str) -> None:
        if numbers := self._numbers(session_id):
            pruned = self._random.sample(numbers, k=min(2, len(numbers)))
            await self._backend.prune(session_id, pruned)
            self._forget(session_id, set(pruned))

    async def _delete(self, session_id: str) -> None:
        await self._backend.soft_delete(session_id)
        self._deleted.add(session_id)

    async def _erase(self, session_id: str) -> None:
        maintenance = await self._backend.open_maintenance()
        await maintenance.erase(session_ids=[session_id])
        del self._owners[session_id]
        self._entries = [e for e in self._entries if e.session_id != session_id]

    def _numbers(self, session_id: str) -> list[int]:
        return [
            entry.number
            for entry in self._entries
            if entry.session_id == session_id and entry.number
        ]

    def _forget(self, session_id: str, numbers: set[int]) -> None:
        self._entries = [
            entry
            for entry in self._entries
            if entry.session_id != session_id or entry.number not in numbers
        ]
