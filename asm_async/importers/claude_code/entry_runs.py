"""
The requests to the model that lines of a session file are answers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

import attrs

from asm_async.importers.claude_code.entry import Entry
from asm_async.importers.claude_code.entry_events import PROVIDER, text_or_none
from asm_async.importers.lines import members_of
from asm_async.importers.names import run_id_of
from asm_async.importers.records import Place, Record
from asm_async.usage import token_usage_of
from asm_async.values import fields
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session


@attrs.define(eq=False)
class Answer:
    """
    What the lines of one answer have told of its request so far.

    An answer's blocks are in several lines, each of which tells the tokens of all. They
    have one run, under the answer's id; so has an answer that was copied to the file of
    another session, which is paid for once.
    """

    session: Session
    run_id: str
    began_at: datetime
    ended_at: datetime
    usage: Mapping[str, Any]
    model: str | None
    cost: Any

    @classmethod
    def of(
        cls, entry: Entry, session: Session, time: datetime, kind: str
    ) -> Self | None:
        """
        Return what one line tells; None if it is no answer, or one that cost nothing.
        """
        usage = members_of(entry.message.get("usage"))
        counts = [count for count in usage.values() if isinstance(count, int)]
        # The program itself says in the same form that a request failed.
        if entry.message_id is None or not any(counts):
            return None
        return cls(
            session=session,
            run_id=run_id_of(kind, entry.message_id),
            began_at=time,
            ended_at=time,
            usage=usage,
            model=text_or_none(entry.message.get("model")),
            cost=entry.original.get("costUSD"),
        )

    def continues(self, earlier: Answer | None) -> bool:
        """
        Return whether it is of the same answer as *earlier*, and take over its start.
        """
        if earlier is None or earlier.run_id != self.run_id:
            return False
        self.began_at = earlier.began_at
        self.cost = earlier.cost if self.cost is None else self.cost
        return True

    def record(self, place: Place) -> Record:
        """
        Return the record of the run.

        Raises:
            ValidationError: If what was told is no usage.
        """
        run = Run.new(
            session_id=self.session.id,
            id=self.run_id,
            provider=PROVIDER,
            provider_metadata={} if self.model is None else {"model": self.model},
            started_at=self.began_at,
        )
        run = attrs.evolve(
            run,
            status=RunStatus.COMPLETED,
            ended_at=self.ended_at,
            token_usage=token_usage_of(self.usage, provider=PROVIDER),
            cost_usd=fields.optional(self.cost, "costUSD", fields.amount),
        )
        return Record(place=place, session=self.session, runs=(run,))
