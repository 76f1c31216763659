"""
Whatever history Hypothesis can think of moves from any database to any other.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async.ports.query_api import QueryAPI
from asm_async.testing import strategies
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import Elsewhere, exported, pieces
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.export_lines import encode_export
from asm_async.values.json_values import encode_json
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport
from asm_async.values.state_item import StateItem
from tests.effort import examples

# All examples of a test share a database, so that no two may have an id in common.
EXAMPLES = count()

revisions = st.integers(1, 2**53 - 1)


def numbered(events: list[Event], numbers: set[int]) -> list[Event]:
    """
    Return as many events as there are numbers, or the other way round, their numbers.
    """
    return [
        attrs.evolve(event, sequence_number=number)
        for event, number in zip(events, sorted(numbers), strict=False)
    ]


@st.composite
def histories(draw: st.DrawFn) -> SessionExport:
    """
    Make any session with any runs, artifacts, items and events, some of them pruned.
    """
    example = next(EXAMPLES)
    session = draw(strategies.sessions(id=st.just(f"ses_{example}")))
    runs = draw(st.lists(strategies.runs(session_id=st.just(session.id)), max_size=3))
    artifact = strategies.artifacts(session_id=st.just(session.id))
    artifacts = draw(st.lists(artifact, max_size=3))
    item = strategies.state_items(session_id=st.just(session.id))
    items = draw(st.lists(item, max_size=3))
    events = strategies.events(session_id=st.just(session.id))
    log = draw(st.lists(events, max_size=3, unique_by=lambda event: event.id))
    kept = numbered(log, draw(st.sets(st.integers(1, 2**52), max_size=3)))
    last = kept[-1].sequence_number if kept else 0
    latest = last + draw(st.integers(0, 2**52))
    return SessionExport(
        session=attrs.evolve(
            session,
            parent_session_id=f"example {example}",
            revision=draw(revisions),
            deleted_at=draw(st.none() | strategies.times()),
            last_activity_at=draw(strategies.times()),
        ),
        runs=tuple(in_order(runs, draw(revisions), example)),
        artifacts=tuple(artifacts_in_order(artifacts, example)),
        items=tuple(items_in_order(items, example)),
        events=tuple(kept),
        latest_sequence=latest,
        pruned_count=latest - len(kept),
    )


def in_order(runs: list[Run], revision: int, example: int) -> list[Run]:
    """
    Return runs ids and a revision, and sort them as an export does.
    """
    renamed = [
        attrs.evolve(run, id=f"run_{example}_{number}", revision=revision)
        for number, run in enumerate(runs)
    ]
    return sorted(renamed, key=lambda run: (run.started_at, run.id))


def artifacts_in_order(artifacts: list[Artifact], example: int) -> list[Artifact]:
    """
    Number artifacts, delete every other, and sort them as an export does.
    """
    renamed = [
        attrs.evolve(
            artifact,
            id=f"art_{example}_{number}",
            key=f"{number} of {example}",
            deleted_at=artifact.created_at if number % 2 else None,
        )
        for number, artifact in enumerate(artifacts)
    ]
    return sorted(renamed, key=lambda artifact: (artifact.created_at, artifact.id))


def items_in_order(items: list[StateItem], example: int) -> list[StateItem]:
    """
    Return items scopes of their own, and sort them as an export does.
    """
    renamed = [
        attrs.evolve(item, scope=f"{number} of {example}")
        for number, item in enumerate(items)
    ]
    return sorted(renamed, key=lambda item: (item.scope, item.key))


def text_of(value: Session | SessionExport) -> str:
    """
    Encode all fields of a value, so that floats are told apart by their last bit.
    """
    return encode_json(value.to_dict())


async def exported_example(query_api: QueryAPI, history: SessionExport) -> Any:
    """
    Export what one example has imported.
    """
    parent = history.session.parent_session_id
    return await exported(query_api, parent_session_id=parent, include_deleted=True)


class TestTransfers(QueryAPIContract):
    """
    A history is the same wherever it goes.
    """

    @settings(
        max_examples=examples(40),
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
        ],
    )
    @given(history=histories())
    async def test_any_history_moves_from_database_to_database(
        self, query_api: QueryAPI, history: SessionExport
    ) -> None:
        """
        In and out again it has the same bytes; in once more, it is here already.
        """
        export = b"".join(encode_export([history]))
        elsewhere = Elsewhere()

        await query_api.import_sessions(pieces(export))
        out_again = await exported_example(query_api, history)
        await elsewhere.query_api.import_sessions(pieces(out_again, 1_000))
        once_more = await query_api.import_sessions(pieces(export))

        assert out_again == export
        assert once_more.sessions_unchanged == 1
        expected = text_of(history)
        for place in (query_api, elsewhere.query_api):
            found = await place.export_session(history.session.id)
            assert text_of(found) == expected
        assert await exported(elsewhere.query_api, include_deleted=True) == export
