"""
Retractions that are exported, and come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import (
    Elsewhere,
    export_of,
    exported,
    history,
    pieces,
)
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.retraction import MAX_HIDDEN_RANGES, RETRACTIONS

__all__ = ["TestTransferredRetractions"]


def _export(count: int, data: Mapping[str, Any], **fields: Any) -> bytes:
    """
    Export a session of so many events, and a retraction behind them.
    """
    told = make_event(
        id="evt_told",
        type=EVENTS_RETRACTED,
        data=data,
        **({"correlation_id": RETRACTIONS} | fields),
    )
    events: list[Event] = [
        attrs.evolve(event, sequence_number=number)
        for number, event in enumerate([*make_events(count), told], start=1)
    ]
    return export_of(history(runs=(), events=events))


class TestTransferredRetractions(QueryAPIContract):
    """
    What is hidden in one database is hidden in the next one.
    """

    async def test_a_retraction_comes_along_as_it_is(
        self, store: SessionStore, query_api: QueryAPI, backend: QueryAPIBackend
    ) -> None:
        """
        With what it hides; and the next one goes on from there.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(6))
        await store.retract_events(
            "ses_1", first=2, last=3, replacement=make_events(1, first=7)
        )
        await backend.prune("ses_1", [1])
        export = await exported(query_api)
        elsewhere = Elsewhere()
        await elsewhere.query_api.import_sessions(pieces(export))
        assert await exported(elsewhere.query_api) == export
        await store.delete_session("ses_1")
        other = await backend.open_query_api()
        imported = export.replace(b"ses_1", b"ses_2")
        await other.import_sessions(pieces(imported))
        (told,) = await store.retract_events("ses_2", first=5, last=5)
        assert told.data["hidden"] == [[2, 3], [5, 5]]
        visible = await store.get_events("ses_2", visible_only=True)
        assert numbers_of(visible) == [4, 6, 8]

    async def test_what_is_hidden_lies_in_a_thousand_ranges_at_most(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        One more is refused, and nothing is written; one that joins two is not.
        """
        hidden = [[2 * n, 2 * n] for n in range(1, MAX_HIDDEN_RANGES + 1)]
        count = 2 * MAX_HIDDEN_RANGES + 2
        data = {"first": 2, "last": 2, "hidden": hidden}
        await query_api.import_sessions(pieces(_export(count, data)))
        with pytest.raises(UnsupportedOperationError, match="1001 ranges"):
            await store.retract_events("ses_1", first=count, last=count)
        assert await store.get_latest_sequence("ses_1") == count + 1
        visible = await store.get_events("ses_1", visible_only=True)
        assert numbers_of(visible) == [*range(1, count - 1, 2), count - 1, count]
        (told,) = await store.retract_events("ses_1", first=3, last=3)
        assert len(told.data["hidden"]) == MAX_HIDDEN_RANGES - 1
        few = await store.get_events("ses_1", visible_only=True, last=4, before=15)
        assert numbers_of(few) == [7, 9, 11, 13]

    @pytest.mark.parametrize(
        ("data", "fields", "complaint"),
        [
            ({}, {}, "data: expected first, last and hidden"),
            ({"first": 0, "last": 1, "hidden": []}, {}, r"data\['first'\]: expected"),
            ({"first": 1, "last": 1, "hidden": 1}, {}, r"data\['hidden'\]: expected"),
            (
                {"first": 1, "last": 1, "hidden": [[1]]},
                {},
                r"data\['hidden'\]\[0\]: expected",
            ),
            (
                {"first": 1, "last": 1, "hidden": [[2, 1]]},
                {},
                r"data\['hidden'\]\[0\]: 2 comes after 1",
            ),
            (
                {"first": 1, "last": 1, "hidden": [[2, 2]]},
                {},
                r"data\['hidden'\]: expected merged ranges",
            ),
            (
                {"first": 1, "last": 1, "hidden": [[1, 1], [2, 2]]},
                {},
                r"data\['hidden'\]: expected merged ranges",
            ),
            (
                {"first": 4, "last": 4, "hidden": [[4, 4]]},
                {},
                r"data\['hidden'\]: a retraction hides only events",
            ),
            (
                {"first": 1, "last": 1, "hidden": [[1, 1]]},
                {"correlation_id": None},
                "correlation_id: expected 'asm.retractions'",
            ),
        ],
        ids=range(9),
    )
    async def test_a_retraction_that_no_store_has_written_is_refused(
        self,
        query_api: QueryAPI,
        backend: QueryAPIBackend,
        data: Mapping[str, Any],
        fields: Mapping[str, Any],
        complaint: str,
    ) -> None:
        """
        The line is named; readers may rely on what is stored.
        """
        export = _export(3, data, **fields)
        with pytest.raises(ValidationError, match=rf"^line 6: event\.{complaint}"):
            await query_api.import_sessions(pieces(export))
        assert await backend.gates() == {}
