"""
Importing what is no export.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from asm_async.errors import ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.factories import make_event
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import export_of, exported, history, pieces
from asm_async.testing.query_api.wrong_exports import (
    WRONG,
    WRONG_AT_THE_END,
    replaced,
)

__all__ = ["TestImportRefusals"]


class TestImportRefusals(QueryAPIContract):
    """
    What is no export is refused where it is wrong, and nothing is half stored.
    """

    @pytest.mark.parametrize(("export", "complaint"), WRONG.values(), ids=WRONG)
    async def test_a_wrong_line_is_named(
        self,
        query_api: QueryAPI,
        backend: QueryAPIBackend,
        export: bytes,
        complaint: str,
    ) -> None:
        """
        The error begins with the line and the path; of the session no trace is left.
        """
        with pytest.raises(ValidationError) as caught:
            await query_api.import_sessions(pieces(export))

        assert str(caught.value).startswith(complaint)
        assert await backend.gates() == {}
        assert (await query_api.search_sessions()).items == ()
        assert (await query_api.search_runs()).items == ()
        assert await query_api.count_events() == 0

    @pytest.mark.parametrize(
        ("export", "complaint"), WRONG_AT_THE_END.values(), ids=WRONG_AT_THE_END
    )
    async def test_what_is_wrong_at_the_end_is_found_out_there(
        self, query_api: QueryAPI, export: bytes, complaint: str
    ) -> None:
        """
        The sessions before are imported by then, whole.
        """
        with pytest.raises(ValidationError) as caught:
            await query_api.import_sessions(pieces(export))

        assert str(caught.value).startswith(complaint)
        assert await exported(query_api) == export_of(history())

    async def test_an_export_cut_off_anywhere_is_refused(
        self, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        After each of its bytes; before its end has come nothing of the session is here.
        """
        export = export_of(history())
        *lines, end = export.splitlines(keepends=True)

        # The session's last line is whole without what ends it.
        for size in range(0, sum(map(len, lines)) - 1, 13):
            with pytest.raises(ValidationError, match=r"^line \d: "):
                await query_api.import_sessions(pieces(export[:size]))
            assert await backend.gates() == {}

        with pytest.raises(ValidationError, match=r"^line 7: "):
            await query_api.import_sessions(pieces(export.removesuffix(end)))

    async def test_an_id_that_stands_twice_far_apart_is_found(
        self, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        Also when the first one was stored long before the second is looked at.
        """
        events = [
            make_event(id=f"evt_{number % 2_500}", sequence_number=number)
            for number in range(1, 2_501 + 1)
        ]

        with pytest.raises(ValidationError, match=r"^line 2503: event\.id: 'evt_1' "):
            await query_api.import_sessions(
                pieces(export_of(history(runs=(), events=events)))
            )
        assert await backend.gates() == {}

    @pytest.mark.parametrize("size", [10, 1_000, 1 << 20])
    async def test_a_line_has_a_bound(self, query_api: QueryAPI, size: int) -> None:
        """
        A longer one is refused before it is whole, wherever the reader cuts.
        """
        event = make_event(id="evt_1", sequence_number=1, data={"text": "x" * 5_000})
        export = export_of(history(runs=(), events=[event]))
        reading = 0

        async def reader() -> AsyncGenerator[Any]:
            nonlocal reading
            async for piece in pieces(export, size):
                reading += len(piece)
                yield piece

        with pytest.raises(ValidationError, match=r"^line 3: .* more than 5000 bytes"):
            await query_api.import_sessions(reader(), max_line_bytes=5_000)
        assert reading <= 6_000 + size

        await query_api.import_sessions(pieces(export), max_line_bytes=6_000)

    async def test_a_generator_is_closed_in_the_end(self, query_api: QueryAPI) -> None:
        """
        Also when an import ends early, so that its file does not stay open.
        """
        reader = pieces(replaced(3, b"{}"), 10)

        with pytest.raises(ValidationError):
            await query_api.import_sessions(reader)

        assert [piece async for piece in reader] == []

    @pytest.mark.parametrize(
        ("argument", "options"),
        [
            ("reader", {"reader": b"{}"}),
            ("reader", {"reader": [b"{}"]}),
            ("progress", {"progress": "yes"}),
            ("max_line_bytes", {"max_line_bytes": 0}),
            ("max_line_bytes", {"max_line_bytes": 1.5}),
        ],
        ids=range(5),
    )
    async def test_bad_arguments_are_refused(
        self, query_api: QueryAPI, argument: str, options: dict[str, Any]
    ) -> None:
        """
        The error names the argument.
        """
        given: dict[str, Any] = {"reader": pieces(b""), **options}
        with pytest.raises(ValidationError, match=f"^{argument}: "):
            await query_api.import_sessions(**given)

    async def test_a_reader_gives_bytes(self, query_api: QueryAPI) -> None:
        """
        Text is refused: what it would be as bytes is for the caller to say.
        """

        async def reader() -> AsyncGenerator[Any]:
            yield "{}"

        with pytest.raises(ValidationError, match="reader: expected bytes, got a str"):
            await query_api.import_sessions(reader())
