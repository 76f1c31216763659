"""
The items of one session of the SDK, row by row, as events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.databases.source import Row
from asm_async.importers.databases.values import column_time, json_value
from asm_async.importers.importer import ImportContext
from asm_async.importers.names import event_id_of, run_id_of
from asm_async.importers.records import NotJSONError, Place, Record
from asm_async.integrations.records.openai_items import AGENT_ID, events_of, stored_id
from asm_async.usage import token_usage_of
from asm_async.values.run import Run
from asm_async.values.session import Session

MAIN = "main"
"""
The branch that every session has.
"""

_EPOCH = datetime.fromtimestamp(0, UTC)


@attrs.frozen
class Turn:
    """
    A turn of a user on a branch.
    """

    branch: str
    number: int | None


@attrs.define(eq=False)
class Branches:
    """
    What ``AdvancedSQLiteSession`` knows of a session's items: branches and turns.
    """

    places: dict[Any, list[Turn]] = attrs.field(factory=dict[Any, list[Turn]])
    """
    By item, where it stands; a branch begins with items of another.
    """

    usage: dict[Turn, Row] = attrs.field(factory=dict[Turn, Row])
    """
    By turn, what it has consumed.
    """

    def add_place(self, row: Row) -> None:
        """
        Take a row of ``message_structure``.
        """
        turn = _turn_of(row)
        self.places.setdefault(row.get("message_id"), []).append(turn)

    def add_usage(self, row: Row) -> None:
        """
        Take a row of ``turn_usage``.
        """
        self.usage[_turn_of(row)] = row


@attrs.define(eq=False)
class History:
    """
    Makes records of the rows of one session, in the order of their ids.
    """

    context: ImportContext
    name: str
    begin: object
    branches: Branches

    _sessions: dict[str, Session] = attrs.field(factory=dict[str, Session])
    _runs: dict[Turn, Run] = attrs.field(factory=dict[Turn, Run])
    _tools: dict[str, str] = attrs.field(factory=dict[str, str])

    def take(self, row: Row, place: Place) -> Sequence[Record]:
        """
        Return the records of a row: one for each branch that it stands on.

        Raises:
            NotUnderstoodError: If it holds no JSON that can be stored.
        """
        item = json_value(row["message_data"])
        at = column_time(row.get("created_at")) or column_time(self.begin) or _EPOCH
        turns = self.branches.places.get(row["id"]) or [Turn(MAIN, None)]
        return [self._record(turn, row, item, at, place) for turn in turns]

    def _record(
        self, turn: Turn, row: Row, item: Any, at: datetime, place: Place
    ) -> Record:
        session = self._session(turn.branch, at)
        run = self._run(session, turn, at)
        try:
            (event,) = events_of(
                [item],
                session_id=session.id,
                run_id=None if run is None else run.id,
                event_ids=[self._event_id(row)],
                tools=self._tools,
            )
        except (TypeError, ValidationError) as error:
            raise NotJSONError(str(error)) from error
        metadata = {"imported": {"table": place.source, "row": row["id"]}}
        event = attrs.evolve(event, timestamp=at, metadata=metadata)
        return Record(
            place=place,
            session=session,
            events=(event,),
            runs=() if run is None else (run,),
        )

    def _event_id(self, row: Row) -> str:
        # The rows of another database have the same numbers.
        text = row["message_data"]
        content = (
            text if isinstance(text, bytes) else str(text).encode("utf-8", "replace")
        )
        digest = hashlib.blake2b(content, digest_size=12).hexdigest()
        return event_id_of(AGENT_ID, f"{row['id']}-{digest}")

    def _session(self, branch: str, at: datetime) -> Session:
        known = self._sessions.get(branch)
        if known is not None:
            return known
        began = column_time(self.begin) or at
        main_id = stored_id(self.name)
        names = (self.name,) if branch == MAIN else (self.name, branch)
        made = self.context.session(
            *names,
            agent_id=AGENT_ID,
            created_at=began if branch == MAIN else at,
            parent_id=None if branch == MAIN else main_id,
        )
        if branch == MAIN:
            made = attrs.evolve(made, id=main_id)
        self._sessions[branch] = made
        return made

    def _run(self, session: Session, turn: Turn, at: datetime) -> Run | None:
        row = self.branches.usage.get(turn)
        if row is None:
            return None
        run = self._runs.get(turn)
        if run is None:
            run = _run_of(session, self.name, turn, row, at)
        self._runs[turn] = attrs.evolve(run, ended_at=at)
        return self._runs[turn]


def _turn_of(row: Row) -> Turn:
    branch, number = row.get("branch_id"), row.get("user_turn_number")
    return Turn(
        branch if isinstance(branch, str) and branch else MAIN,
        number if isinstance(number, int) else None,
    )


def _run_of(session: Session, name: str, turn: Turn, row: Row, at: datetime) -> Run:
    run = Run.new(
        id=run_id_of(AGENT_ID, name, turn.branch, str(turn.number)),
        session_id=session.id,
        started_at=at,
    ).complete(at=at)
    requests = row.get("requests")
    counts = ("input_tokens", "output_tokens", "total_tokens")
    report: dict[str, Any] = {name: row.get(name) or 0 for name in counts}
    for details in ("input_tokens_details", "output_tokens_details"):
        try:
            report[details] = json_value(row.get(details)) or {}
        except NotJSONError:
            report[details] = {}
    try:
        usage = token_usage_of(report)
    except ValidationError:
        usage = {}
    return attrs.evolve(
        run,
        token_usage=usage,
        turn_count=requests if isinstance(requests, int) and requests > 0 else 0,
    )
