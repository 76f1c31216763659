"""
Writing the snapshots of conversations, and what they add to their sessions.
"""

from __future__ import annotations

from typing import Any

import attrs

from asm_async.errors import EventConflictError, RevisionConflictError
from asm_async.integrations.ids import safe_id
from asm_async.integrations.strands.events import (
    CONTEXT_TYPE,
    EventWriter,
    event_id,
    names_of_tools,
)
from asm_async.integrations.strands.record import (
    Additions,
    Record,
    Withdrawal,
    additions,
    record_of,
    rewind,
)
from asm_async.integrations.strands.runs import run_of
from asm_async.integrations.strands.snapshot import Snapshot
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem


@attrs.frozen
class ConversationWriter:
    """
    Writes one snapshot of a conversation, with the events of what is new in it.
    """

    ports: Ports

    session: Session
    """
    As it is made if there is none.
    """

    item: StateItem
    """
    The snapshot's bytes, under their scope and key.
    """

    snapshot: Snapshot

    async def write(self) -> None:
        """
        Store the snapshot and what it adds to the log, in one commit.

        What others write meanwhile is taken into account: each attempt that fails is
        one that another writer has won. Where the snapshot has taken back what the log
        has said, it is stored with the note of what is to be hidden; then that is done,
        by this writer or, if it ends before, by the next one.
        """
        knows_log = False
        while True:
            stored, record = await self._stored()
            try:
                if await self._attempt(stored, record, knows_log=knows_log):
                    return
            except RevisionConflictError:
                continue
            except EventConflictError:
                # Either another writer has said it meanwhile, or it was said before,
                # and had been dropped from the snapshots since.
                is_raced = (await self._stored())[0] != stored
                if knows_log and not is_raced:
                    raise
                knows_log = True

    async def _attempt(self, stored: int, record: Record, *, knows_log: bool) -> bool:
        if record.withdrawal:
            await self._withdraw(record.withdrawal)
            record = attrs.evolve(record, withdrawal=None)
        new = None if knows_log else additions(record, self.snapshot.messages)
        if new is not None:
            await self._commit(stored, record.epoch, new)
            return True
        latest = await self.ports.store.get_latest_sequence(self.session.id)
        if not latest:
            await self._commit(stored, 0, Additions(self.snapshot.messages))
            return True
        log = await self.ports.store.get_events(self.session.id, visible_only=True)
        back = rewind(record, self.snapshot.messages, log)
        if back.first is None:
            rest = self.snapshot.messages[len(back.kept) :]
            await self._commit(stored, latest, Additions(rest))
            return True
        kept = record_of(back.kept, latest)
        name = safe_id("strands-withdrawal", self.session.id, str(latest))
        withdrawal = Withdrawal(back.first, log[-1].sequence_number, name)
        await self._save(stored, attrs.evolve(kept, withdrawal=withdrawal))
        return False

    async def _stored(self) -> tuple[int, Record]:
        scope, key = self.item.scope, self.item.key
        # The key itself comes before all that begin with it.
        found = await self.ports.state.list_items(
            scope, prefix=key, limit=1, with_content=False
        )
        if not found or found[0].key != key:
            return 0, Record()
        return found[0].revision, Record.from_data(found[0].data) or Record()

    async def _withdraw(self, withdrawal: Withdrawal) -> None:
        await self.ports.store.retract_events(
            self.session.id,
            first=withdrawal.first,
            last=withdrawal.last,
            operation_id=withdrawal.operation_id,
        )

    async def _commit(self, stored: int, epoch: int, new: Additions) -> None:
        run = self._run_of(epoch, new)
        writer = EventWriter(
            session_id=self.session.id,
            taken_at=self.snapshot.taken_at,
            epoch=epoch,
            run_id=run.id if run else None,
            tool_names=names_of_tools(self.snapshot.messages),
        )
        events = [
            event
            for message in new.context
            for event in writer.kept(message, CONTEXT_TYPE)
        ]
        events += [event for message in new.said for event in writer.said(message)]
        record = record_of(self.snapshot.messages, epoch)
        runs = () if run is None else (run,)
        await self._save(stored, record, events=tuple(events), runs=runs)

    def _run_of(self, epoch: int, new: Additions) -> Run | None:
        if not new.said:
            return None
        first = event_id(new.said[0], epoch, 1)
        run_id = safe_id("strands-run", self.session.id, first)
        return run_of(new.said, run_id, self.session.id, self.snapshot.taken_at)

    async def _save(self, stored: int, record: Record, **changes: Any) -> None:
        item = attrs.evolve(
            self.item, data=record.to_data(), session_id=self.session.id
        )
        await self.ports.store.commit(
            Changes(create_session=self.session, items=(item,), **changes),
            expected_revisions={(item.scope, item.key): stored},
        )
