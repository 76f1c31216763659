"""
What of a conversation is in the log, and what a snapshot adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs

from asm_async.integrations.strands.events import (
    CONTEXT_TYPE,
    OWN_IDS,
    message_mark,
)
from asm_async.integrations.strands.snapshot import SaidMessage
from asm_async.values.event import Event


@attrs.frozen
class Withdrawal:
    """
    Events that a snapshot has taken back, and that shall be hidden.
    """

    first: int
    last: int
    operation_id: str


@attrs.frozen
class Record:
    """
    What is kept beside a snapshot of what the log has of it.
    """

    keys: tuple[str, ...] = ()
    """
    The names of the messages that the snapshot has, all of them in the log.
    """

    open_digests: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """
    The contents, by name, of those that may still be replaced.
    """

    epoch: int = 0
    """
    The number of the log's latest event when it was last read as a whole.
    """

    withdrawal: Withdrawal | None = None
    """
    What has yet to be hidden, before anything else is written.
    """

    def to_data(self) -> dict[str, Any]:
        """
        Return it as a state item's data.
        """
        data: dict[str, Any] = {
            "keys": list(self.keys),
            "open_digests": dict(self.open_digests),
            "epoch": self.epoch,
        }
        if self.withdrawal:
            data["withdrawal"] = attrs.asdict(self.withdrawal)
        return data

    @classmethod
    def from_data(cls, data: object) -> Record | None:
        """
        Read what :meth:`to_data` made; None if it is something else, or nothing.
        """
        if not isinstance(data, dict):
            return None
        members = cast("dict[str, Any]", data)
        if "keys" not in members:
            return None
        withdrawal = members.get("withdrawal")
        return cls(
            keys=tuple(members["keys"]),
            open_digests=dict(members["open_digests"]),
            epoch=members["epoch"],
            withdrawal=Withdrawal(**withdrawal) if withdrawal else None,
        )

    def changed(self, messages: Sequence[SaidMessage]) -> set[str]:
        """
        Return the names of the messages whose content was replaced in the end.

        Of those before the last one only places that were kept count: what else
        changes there is shortened for the model, and was said as the log has it.
        """
        digests = {message.key: message.digest for message in messages}
        return {
            key
            for key, digest in self.open_digests.items()
            if digests.get(key, digest) != digest
        }


@attrs.frozen
class Additions:
    """
    What a snapshot adds to the log.
    """

    said: Sequence[SaidMessage] = ()
    """
    What was said, oldest first.
    """

    context: Sequence[SaidMessage] = ()
    """
    What was put before what was said already.
    """


def record_of(messages: Sequence[SaidMessage], epoch: int) -> Record:
    """
    Return the record of a snapshot whose messages are all in the log.
    """
    open_digests = {each.key: each.digest for each in messages if each.is_pending}
    open_digests |= {each.key: each.digest for each in messages[-1:]}
    return Record(tuple(each.key for each in messages), open_digests, epoch)


def additions(record: Record, messages: Sequence[SaidMessage]) -> Additions | None:
    """
    Return what is new in a snapshot that goes on from the one recorded.

    None stands for one that does not: only the log can say what is new in it.
    """
    keys = [message.key for message in messages]
    if not record.keys or record.keys[-1] not in keys or record.changed(messages):
        return None
    return _behind(keys.index(record.keys[-1]), record, messages)


def _behind(place: int, record: Record, messages: Sequence[SaidMessage]) -> Additions:
    known = set(record.keys)
    return Additions(
        said=[each for each in messages[place + 1 :] if each.key not in known],
        context=[each for each in messages[:place] if each.key not in known],
    )


@attrs.frozen
class Rewind:
    """
    How a snapshot that does not go on from the last one stands to the log.
    """

    kept: Sequence[SaidMessage]
    """
    Its first messages, as far as the log has them.
    """

    first: int | None
    """
    The number from which on the log's events are not said any more; None if all are.
    """


def rewind(
    record: Record, messages: Sequence[SaidMessage], log: Sequence[Event]
) -> Rewind:
    """
    Return how far a snapshot and the log agree.

    Args:
        record: What is known of the snapshot before.

        messages: Those of the new one.

        log: The session's visible events.
    """
    said = [event for event in log if _is_said(event)]
    marks = {event.id.rsplit(".", 2)[0] for event in said}
    numbers: dict[str | None, int] = {}
    for event in said:
        numbers.setdefault(event.correlation_id, event.sequence_number)
    changed = record.changed(messages)
    for place, message in enumerate(messages):
        if message.key in changed and message_mark(message) not in marks:
            return Rewind(messages[:place], numbers.get(message.key))
    held = [place for place, each in enumerate(messages) if each.key in numbers]
    if not held:
        return Rewind((), None)
    latest = numbers[messages[held[-1]].key]
    behind = [number for number in numbers.values() if number > latest]
    return Rewind(messages[: held[-1] + 1], min(behind, default=None))


def _is_said(event: Event) -> bool:
    return event.id.startswith(OWN_IDS) and event.type != CONTEXT_TYPE
