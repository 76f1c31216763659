"""
Exports in which something is changed, imported into two databases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any, TypeAlias

from hypothesis import strategies as st

from asm_async.errors import ASMError
from asm_async.ports.query_api import QueryAPI
from asm_async.testing import strategies
from asm_async.testing.factories import NOON, make_event, make_run, make_session
from asm_async.testing.query_api.transfer import Elsewhere, exported, pieces
from asm_async.values.export_lines import encode_export
from asm_async.values.session_export import SessionExport

__all__ = ["WrongImports"]

_MARK = "\ue000"
_LINES = 7

_FRAGMENTS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-0", "-0.0", "1.0", "01", "+1", "'a'"),
    *(
        "[" * 10_000 + "]" * 10_000,
        "[" * 150 + "]" * 150,
        '{"a":' * 300 + "1" + "}" * 300,
    ),
    *("9" * 5_000, "9" * 4_300, "9007199254740992", "-1", "true", "null", "[]", "{}"),
    *(r'"\ud800"', r'"\ud83d\ude00"', r'"\u0000"', '""', '"\\x"', '"\t"', '"unended'),
    *('{"a":1,"a":2}', '{"a":NaN}', "", "//", "1 2", '"' + "x" * 300 + '"'),
    *('"2026-01-01"', '"2026-01-01T00:00:00Z"', '"9999-12-31T23:59:59-12:00"'),
)
_JUNK = (
    b"",
    b" ",
    b"\0",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b"\xef\xbb\xbf",
    b'{"a":1',
)
# What an export does not say of a session's last activity, the import does, each by its
# own clock.
_OTHER_ACTIVITY = re.compile(
    rb'(?<="last_activity_at":)(?!"2026-01-02T12:00:00)"[^"]*"'
)
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp500")


class WrongImports:
    """
    Imports the same into two databases, of which one is in memory.
    """

    def __init__(self, tested: QueryAPI) -> None:
        self._tested = tested
        self._known = Elsewhere().query_api
        self._examples = count(1)
        self.refused: int = 0
        self.taken: int = 0

    async def check(self, data: st.DataObject) -> None:
        """
        Change something in an export.

        Both databases refuse it in the same words, or neither does, and what is stored
        of it is the same.
        """
        number = next(self._examples)
        export = data.draw(_changes())(_lines(number))
        size = data.draw(st.sampled_from((1, 7, 1_000, 10**9)))
        bound = data.draw(st.sampled_from((600, 10**9)))
        known = await _refusal(self._known, export, size, bound)
        tested = await _refusal(self._tested, export, size, bound)
        assert tested == known, f"refuses with {tested}, memory with {known}"
        stored = [
            await exported(
                query_api, parent_session_id=_parent(number), include_deleted=True
            )
            for query_api in (self._tested, self._known)
        ]
        assert _comparable(stored[0]) == _comparable(stored[1])
        self.refused += tested is not None
        self.taken += tested is None


async def _refusal(
    query_api: QueryAPI, export: bytes, size: int, bound: int
) -> tuple[str, str, str] | None:
    try:
        await query_api.import_sessions(pieces(export, size), max_line_bytes=bound)
    except ASMError as error:
        refusal = type(error).__name__, error.code, str(error)
    else:
        return None
    assert len(refusal[-1]) < 10_000, "a message is to be read"
    return refusal


def _comparable(export: bytes) -> bytes:
    return _OTHER_ACTIVITY.sub(b"null", export)


def _parent(number: int) -> str:
    return f"example {number}"


def _lines(number: int) -> list[bytes]:
    """
    Return a good export: header, session, run, two events, session's end, end.
    """
    session = make_session(
        id=f"ses_imported_{number}",
        parent_session_id=_parent(number),
        revision=1,
        last_activity_at=NOON,
    )
    events = (
        make_event(id=f"evt_{place}", session_id=session.id, sequence_number=place)
        for place in (1, 2)
    )
    history = SessionExport(
        session=session,
        runs=(
            make_run(id=f"run_imported_{number}", session_id=session.id, revision=1),
        ),
        events=tuple(events),
        latest_sequence=2,
        pruned_count=0,
    )
    return list(encode_export([history]))


_Change: TypeAlias = Callable[[list[bytes]], bytes]


def _changes() -> st.SearchStrategy[_Change]:
    """
    Choose what is done to the lines of an export, whatever they are.
    """
    places = st.integers(0, _LINES - 1)
    numbers = st.integers(0, 2_000)
    junk = st.binary(min_size=1, max_size=4) | _one_of(_JUNK)
    fragments = _one_of(_FRAGMENTS) | strategies.json_values(max_depth=10).map(
        json.dumps
    )
    return st.one_of(
        st.just(b"".join),
        st.builds(partial, st.just(_with_field), places, numbers, fragments),
        st.builds(partial, st.just(_with_bytes), numbers, numbers, junk),
        st.builds(partial, st.just(_with_line), places, junk | places),
        st.builds(partial, st.just(_swapped), places, places),
        st.builds(partial, st.just(_encoded), st.sampled_from(_ENCODINGS)),
        st.just(_with_carriage_returns),
    )


def _one_of(members: Sequence[Any]) -> st.SearchStrategy[Any]:
    # By number, since Hypothesis would write all of them down.
    return st.integers(0, len(members) - 1).map(members.__getitem__)


def _with_field(place: int, field: int, fragment: str, lines: list[bytes]) -> bytes:
    """
    Put *fragment* in the place of one of a record's members.
    """
    record: dict[str, Any] = json.loads(lines[place])
    inner = [record[name] for name in ("session", "run", "event") if name in record]
    holder: dict[str, Any] = [record, *inner][field % (1 + len(inner))]
    holder[list(holder)[field % len(holder)]] = _MARK
    text = json.dumps(record, ensure_ascii=False).replace(f'"{_MARK}"', fragment)
    line = text.encode("utf-8", "surrogatepass") + b"\n"
    return b"".join([*lines[:place], line, *lines[place + 1 :]])


def _with_bytes(one: int, other: int, new: bytes, lines: list[bytes]) -> bytes:
    export = b"".join(lines)
    start = one % len(export)
    return export[:start] + new + export[start + other % 4 :]


def _with_line(place: int, new: bytes | int, lines: list[bytes]) -> bytes:
    line = new + b"\n" if isinstance(new, bytes) else lines[new]
    return b"".join([*lines[:place], line, *lines[place:]])


def _swapped(one: int, other: int, lines: list[bytes]) -> bytes:
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    return b"".join(swapped if one != other else [*lines[:one], *lines[one + 1 :]])


def _encoded(encoding: str, lines: list[bytes]) -> bytes:
    return b"".join(lines).decode("ascii").encode(encoding)


def _with_carriage_returns(lines: list[bytes]) -> bytes:
    return b"".join(lines).replace(b"\n", b"\r\n")
