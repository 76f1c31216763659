"""
Which steps of a conversation are stored, and under which names the others will be.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TypeAlias

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.conversation import Speaker, Step
from asm_async.importers.names import digest_of, event_id_of
from asm_async.importers.records import RECORD_TYPE
from asm_async.importers.rewinding import is_of
from asm_async.ports.session_reader import SessionReader
from asm_async.values.event import Event

_STEPS_PER_READ = 200
_EVENTS_PER_READ = 200


@attrs.frozen(eq=False)
class TurnEnd:
    """
    The end of a run behind its last step.
    """

    step: Step


@attrs.frozen(eq=False)
class Cut:
    """
    The end of a conversation that went on further before.
    """


Said: TypeAlias = Step | TurnEnd | Cut
"""
What a name is for.
"""


@attrs.frozen(eq=False)
class Named:
    """
    A step, or the end of a run, and the name that its events have.
    """

    said: Said
    name: str
    stored_at: datetime | None = None
    """
    The time that it is stored with; None if it is not.
    """

    rewinds_to: str | None = None
    """
    As of a ``Record``.
    """


def with_ends(steps: Iterable[Step]) -> Iterator[Step | TurnEnd]:
    """
    Yield steps with the ends of their runs.

    A run ends before the next prompt, if the model has said something, and at the end
    of the conversation if that is an answer.
    """
    last: Step | None = None
    is_answered = False
    for step in steps:
        if step.speaker is Speaker.PROMPT and is_answered and last is not None:
            yield TurnEnd(last)
            is_answered = False
        is_answered |= step.speaker in {Speaker.ANSWER, Speaker.CALL}
        yield step
        last = step
    if last is not None and last.speaker is Speaker.ANSWER:
        yield TurnEnd(last)


def event_ids_of(kind: str, name: str) -> str:
    """
    Return the beginning of the ids of a step's events; the first ends with ``1``.
    """
    return f"{event_id_of(kind, name)}/"


class StepNames:
    """
    Names the steps of a conversation, each by what was said up to it.

    So a step that was edited, and all behind it, have other names than before. Where a
    source returns to what was taken back, the same words get a further name.

    Args:
        store: What is stored.

        kind: The kind of source.

        session_id: The session.

        is_stored: Whether there is such a session.

        part: The name of the part of the session that the conversation is, if it is.

        is_latest:
            Whether nothing follows what is said. Otherwise a mere beginning of what is
            stored takes nothing back: it may be an earlier picture.
    """

    def __init__(
        self,
        store: SessionReader,
        kind: str,
        session_id: str,
        *,
        is_stored: bool,
        part: str | None,
        is_latest: bool,
    ) -> None:
        self._store = store
        self._kind = kind
        self._session_id = session_id
        self._goes_on_known = is_stored
        self._is_part = part is not None
        self._is_latest = is_latest
        self._last_known: Event | None = None
        self._name = digest_of([session_id, part] if self._is_part else session_id)

    async def named(self, said: Iterable[Step | TurnEnd]) -> AsyncGenerator[Named]:
        """
        Yield what is said with its names, first what is stored.
        """
        rest = iter(said)
        while some := list(islice(rest, _STEPS_PER_READ)):
            while some and self._goes_on_known:
                known = await self._stored_beginning(some)
                for stored in known:
                    yield stored
                some = some[len(known) :]
                if some and (other := await self._other(some.pop(0))) is not None:
                    yield other
            for each in some:
                self._name = _next_name(self._name, each, 0)
                yield Named(each, self._name)
        if self._goes_on_known and self._is_latest and (cut := await self._cut()):
            yield cut

    async def _stored_beginning(self, some: list[Step | TurnEnd]) -> list[Named]:
        names: list[str] = []
        for each in some:
            names.append(_next_name(names[-1] if names else self._name, each, 0))
        ids = [self._first_id(name) for name in names]
        events = await self._store.get_events(
            self._session_id, ids=ids, visible_only=True
        )
        found = {event.id: event for event in events}
        known: list[Named] = []
        for each, name, event_id in zip(some, names, ids, strict=True):
            if event_id not in found:
                break
            self._name, self._last_known = name, found[event_id]
            known.append(Named(each, name, found[event_id].timestamp))
        return known

    async def _other(self, said: Said) -> Named | None:
        """
        Return what is not stored under its name, or is hidden under it.

        Returns:
            Its further name; None of an end behind which more is stored, which stays.
        """
        name, attempt = "", 0
        while True:
            name = _next_name(self._name, said, attempt)
            ids = [self._first_id(name)]
            if not await self._store.get_events(self._session_id, ids=ids):
                break
            shown = await self._store.get_events(
                self._session_id, ids=ids, visible_only=True
            )
            if shown and not isinstance(said, Cut):
                self._name, self._last_known = name, shown[0]
                return Named(said, name, shown[0].timestamp)
            attempt += 1
        rewinds_to = await self._end_of_common()
        if isinstance(said, TurnEnd) and rewinds_to is not None and not self._is_latest:
            return None
        self._goes_on_known = False
        self._name = name
        return Named(said, name, rewinds_to=rewinds_to)

    async def _cut(self) -> Named | None:
        """
        Return what hides all that is stored behind the conversation, if it is shown.
        """
        is_shown = await self._end_of_common() is not None
        return await self._other(Cut()) if is_shown else None

    async def _end_of_common(self) -> str | None:
        """
        Return the last event of the last stored step, if others are shown behind it.
        """
        if self._is_part:
            return None
        after, end, siblings = 0, "", ""
        if self._last_known is not None:
            after, end = self._last_known.sequence_number, self._last_known.id
            siblings = event_ids_of(self._kind, self._name)
        while events := await self._store.get_events(
            self._session_id, after=after, visible_only=True, limit=_EVENTS_PER_READ
        ):
            for event in events:
                after = event.sequence_number
                if siblings and event.id.startswith(siblings):
                    end = event.id
                elif event.type != RECORD_TYPE and is_of(event, self._kind):
                    return end
        return None

    def _first_id(self, name: str) -> str:
        return f"{event_ids_of(self._kind, name)}1"


def _next_name(name: str, said: Said, attempt: int) -> str:
    words = said.said if isinstance(said, Step) else [type(said).__name__]
    more = [attempt] if attempt else []
    try:
        return digest_of([name, words, *more])
    except ValidationError:
        # It cannot be stored, and is reported when it is read.
        return digest_of([name, *more])
