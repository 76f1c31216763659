"""
One thread of LangGraph, checkpoint by checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from asm_async.conventions import EventOptions, error_occurred
from asm_async.errors import ValidationError
from asm_async.importers.importer import ImportContext
from asm_async.importers.langgraph.branches import Branch, is_messages
from asm_async.importers.langgraph.checkpoints import Checkpoint, Checkpoints
from asm_async.importers.langgraph.invocations import Invocations
from asm_async.importers.langgraph.messages import Message, events_of_message
from asm_async.importers.langgraph.stored import Stored
from asm_async.importers.langgraph.values import plain
from asm_async.importers.langgraph.writes import ERROR, Write
from asm_async.importers.names import digest_of, event_id_of
from asm_async.importers.records import (
    ORIGINAL,
    NotUnderstoodError,
    Place,
    Record,
    record_event,
)
from asm_async.importers.summary import ProblemCode
from asm_async.integrations.ids import safe_id
from asm_async.values.event import Event
from asm_async.values.json_values import encode_json
from asm_async.values.session import Session

MAX_VALUE_CHARACTERS = 2**20
"""
How long the JSON of a channel's value may be; a longer one is left out and reported.
"""

INTERRUPTED = "langgraph.interrupted"
"""
The type of the event of a task that waits for somebody.
"""

_KIND = "langgraph"
_PREFIX = "langgraph-thread"
# Which node runs next, and its input: LangGraph's own.
_INTERNAL = ("__", "branch:", "start:", "join:")
# What a step has written is in the channels, and again in here.
_REPEATED = "writes"
_DELTAS = "counters_since_delta_snapshot"


@attrs.define(eq=False)
class Thread:
    """
    Makes records of a thread's checkpoints, in the order of their ids.

    The first checkpoint that follows another goes on with its branch; a later one that
    follows the same begins a fork: a session of its own, whose parent is the session
    that it leaves, with all that its state has.
    """

    context: ImportContext
    checkpoints: Checkpoints
    name: str
    writes: Mapping[tuple[str, str], Sequence[Write]]

    _namespace: str | None = None
    _root: Session | None = None
    _branches: dict[str, Branch] = attrs.field(factory=dict[str, Branch])
    """
    By checkpoint of the namespace, the branch that it stands on.
    """

    _followed: set[str] = attrs.field(factory=set[str])
    _latest: Branch | None = None
    _invocations: Invocations = attrs.field(factory=Invocations)
    _is_cut: bool = False
    """
    Whether the first checkpoint of the namespace follows one that is not there.
    """

    _has_deltas: bool = False

    async def take(self, checkpoint: Checkpoint, place: Place) -> Record:
        """
        Return the record of a checkpoint.
        """
        if checkpoint.namespace != self._namespace:
            self._namespace, self._latest = checkpoint.namespace, None
            self._branches, self._followed = {}, set()
            self._is_cut = checkpoint.parent is not None
        branch = self._branch_of(checkpoint)
        # Where earlier checkpoints were deleted, messages are found later than by the
        # import before, and would have other times, and be counted again.
        is_cut, store = self._is_cut, self.context.store
        stored = Stored(store, branch.session.id) if is_cut else None
        is_known = stored is not None and await self._resume(branch, checkpoint, stored)
        if not is_known:
            self._invocations.enter(branch, checkpoint, self.name)
        events = await self._events(branch, checkpoint, place, stored)
        run = branch.run
        return Record(
            place=place,
            session=branch.session,
            events=tuple(events),
            runs=() if run is None else (run,),
            facts={"thread_id": self.name},
        )

    def _branch_of(self, checkpoint: Checkpoint) -> Branch:
        parent = self._branches.get(checkpoint.parent or "")
        if parent is not None and checkpoint.parent not in self._followed:
            self._followed.add(str(checkpoint.parent))
            branch = parent
        elif self._latest is None:
            branch = Branch(self._main_session(checkpoint))
        elif parent is None and checkpoint.parent is not None:
            # What it follows was deleted, or its clock was behind.
            branch = self._latest
        else:
            origin = self._latest if parent is None else parent
            branch = Branch(self._session(checkpoint, (checkpoint.id,), origin.session))
        self._branches[checkpoint.id] = self._latest = branch
        return branch

    def _main_session(self, checkpoint: Checkpoint) -> Session:
        made = self._session(checkpoint, (), self._root)
        if not checkpoint.namespace:
            self._root = made
        return made

    def _session(
        self, checkpoint: Checkpoint, more: tuple[str, ...], parent: Session | None
    ) -> Session:
        namespace = (checkpoint.namespace,) if checkpoint.namespace or more else ()
        names = (self.name, *namespace, *more)
        user_id = checkpoint.metadata.get("user_id")
        made = self.context.session(
            *names,
            agent_id=_KIND,
            created_at=checkpoint.at,
            parent_id=None if parent is None else parent.id,
            user_id=user_id if isinstance(user_id, str) and user_id else None,
        )
        # Not the session of AsmCheckpointSaver, which has the messages in its own way.
        return attrs.evolve(made, id=safe_id(_PREFIX, *names))

    async def _resume(
        self, branch: Branch, checkpoint: Checkpoint, stored: Stored
    ) -> bool:
        """
        Go on with the run of a checkpoint that is stored, and return whether it is.
        """
        found = await stored.find([_state_id(checkpoint)])
        if found:
            branch.run = await stored.run_of(found[0])
        return bool(found)

    async def _events(
        self,
        branch: Branch,
        checkpoint: Checkpoint,
        place: Place,
        stored: Stored | None,
    ) -> list[Event]:
        events: list[Event] = []
        values: dict[str, Any] = {}
        for channel in branch.changed_channels(checkpoint):
            if channel.startswith(_INTERNAL):
                continue
            try:
                value, size = await self.checkpoints.value(checkpoint, channel)
                self.context.tally.add(byte_count=size)
                if is_messages(value):
                    new = list(branch.new_messages(channel, value))
                    if stored is not None:
                        new = await self._without_stored(new, stored)
                    events += self._messages(branch, checkpoint, new, place)
                else:
                    values[channel] = _bounded(plain(value))
            except KeyError:
                continue
            except NotUnderstoodError as error:
                self._problem(place, checkpoint, f"channel {channel!r}: {error}")
        self._report_deltas(checkpoint, place)
        state = self._state(branch.session, checkpoint, values)
        if stored is None or not await stored.find([state.id]):
            events.append(state)
        key = (checkpoint.namespace, checkpoint.id)
        for write in self.writes.get(key, ()):
            events.append(self._written(branch, checkpoint, write, place))
        run_id = None if branch.run is None else branch.run.id
        return [attrs.evolve(event, run_id=run_id) for event in events]

    def _messages(
        self,
        branch: Branch,
        checkpoint: Checkpoint,
        new: Iterable[tuple[Message, str]],
        place: Place,
    ) -> list[Event]:
        events: list[Event] = []
        for message, name in new:
            options: EventOptions = {
                "id": event_id_of(_KIND, name),
                "timestamp": checkpoint.at,
                "correlation_id": checkpoint.id,
            }
            try:
                events += events_of_message(
                    branch.session.id, message, options, branch.tools
                )
                self._invocations.count(branch, message, name)
            except (TypeError, ValidationError) as error:
                self._problem(place, checkpoint, f"message {message.id!r}: {error}")
        return events

    def _state(
        self, session: Session, checkpoint: Checkpoint, values: Mapping[str, Any]
    ) -> Event:
        metadata = {k: v for k, v in checkpoint.metadata.items() if k != _REPEATED}
        event = record_event(
            session_id=session.id,
            event_id=_state_id(checkpoint),
            timestamp=checkpoint.at,
            kind=_KIND,
            name="checkpoint",
        )
        original = {
            "thread_id": checkpoint.thread,
            "checkpoint_ns": checkpoint.namespace,
            "checkpoint_id": checkpoint.id,
            "parent_checkpoint_id": checkpoint.parent or None,
            "metadata": metadata,
            "channel_values": dict(values),
        }
        return attrs.evolve(event, data={**event.data, ORIGINAL: original})

    def _written(
        self, branch: Branch, checkpoint: Checkpoint, write: Write, place: Place
    ) -> Event:
        if write.problem:
            self._problem(place, checkpoint, f"{write.channel}: {write.problem}")
        name = digest_of([checkpoint.id, write.task_id, write.channel, write.number])
        options: EventOptions = {
            "id": event_id_of(_KIND, name),
            "timestamp": checkpoint.at,
            "correlation_id": checkpoint.id,
            "data": {ORIGINAL: {"task_id": write.task_id, "value": write.value}},
        }
        session_id = branch.session.id
        if write.channel != ERROR:
            return Event.new(type=INTERRUPTED, session_id=session_id, **options)
        message = write.value if isinstance(write.value, str) else None
        failure = message or "The task failed."
        self._invocations.fail(branch, failure)
        return error_occurred(session_id=session_id, error_message=failure, **options)

    def _report_deltas(self, checkpoint: Checkpoint, place: Place) -> None:
        if not self._has_deltas and checkpoint.metadata.get(_DELTAS):
            self._has_deltas = True
            reason = (
                "a DeltaChannel's value is read where it is stored whole: at its"
                " snapshots"
            )
            self._problem(place, checkpoint, reason)

    def _problem(self, place: Place, checkpoint: Checkpoint, reason: str) -> None:
        key = f"checkpoint {checkpoint.id!r} of thread {self.name!r}"
        code = ProblemCode.NOT_UNDERSTOOD
        self.context.tally.problem(place, code, f"{key}: {reason}")

    async def _without_stored(
        self, new: list[tuple[Message, str]], stored: Stored
    ) -> list[tuple[Message, str]]:
        found = await stored.find([event_id_of(_KIND, name) for _, name in new])
        known = {event.id for event in found}
        left: list[tuple[Message, str]] = []
        for message, name in new:
            if event_id_of(_KIND, name) in known:
                self._invocations.pass_over(name)
            else:
                left.append((message, name))
        return left


def _state_id(checkpoint: Checkpoint) -> str:
    return safe_id("langgraph-checkpoint", checkpoint.id)


def _bounded(value: Any) -> Any:
    length = len(encode_json(value))
    if length <= MAX_VALUE_CHARACTERS:
        return value
    raise NotUnderstoodError(
        f"its value is {length} characters of JSON long, and is left out"
    )
