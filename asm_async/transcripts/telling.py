"""
From events, in order, to messages, in the order in which a model can be told them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from asm_async.conventions import EventFamily, Role
from asm_async.transcripts.event_messages import (
    Key,
    call_for,
    call_of,
    content_of,
    notice_of,
    origin_of,
    result_of,
    role_of,
    said_by,
    text_of,
)
from asm_async.transcripts.message import Message, Rule, are_joined
from asm_async.transcripts.outputs import compact_json
from asm_async.values import fields
from asm_async.values.event import Event, EventType

APPROVAL_PENDING = "The call waits until a person allows it."
"""
The text instead of a result until a person has decided.
"""

CALL_DENIED = "A person has refused the call."
"""
The text instead of the result of a refused call; the reason follows, if there is one.
"""

_FAMILIES = frozenset({EventFamily.MESSAGE, EventFamily.TOOL, EventFamily.APPROVAL})


@attrs.define(eq=False)
class _Stream:
    """
    A message of which there are pieces only.
    """

    latest: Message
    pieces: list[str]

    def message(self) -> Message:
        """
        Return the message as far as it has come.
        """
        return attrs.evolve(self.latest, content="".join(self.pieces))


@attrs.define(eq=False)
class _Call:
    """
    A tool call, the calls beside it, and its result as far as there is one.
    """

    message: Message
    beside: _Calls
    is_started: bool
    result: Message | None = None

    @property
    def is_open(self) -> bool:
        """
        Whether a result may still come.
        """
        return self.result is None or self.result.is_notice

    @property
    def is_waiting(self) -> bool:
        """
        Whether the model has been told nothing yet.
        """
        return self.is_open and not (self.result and self.result.is_error)


@attrs.define(eq=False)
class _Calls:
    """
    The calls of one message of the model, and their results as they came.
    """

    calls: list[_Call] = attrs.field(factory=list[_Call])
    answered: list[_Call] = attrs.field(factory=list[_Call])

    def take(self, message: Message) -> bool:
        """
        Return whether one more call belongs to them.

        A model that waits for a result says nothing meanwhile, so that a call beside
        one that waits was made with it.
        """
        latest = self.calls[-1].message
        has_same_id = None not in {latest.message_id, message.message_id}
        return are_joined(latest, message) and (
            has_same_id or any(call.is_waiting for call in self.calls)
        )

    def messages(self) -> Iterable[Message]:
        """
        Yield the calls, then the results.
        """
        yield from (call.message for call in self.calls)
        yield from (call.result for call in self.answered if call.result)


class Telling:
    """
    Takes the events of a session, one after the other, and makes messages of them.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._said: list[Message | _Stream | _Calls] = []
        # By run: agents that work side by side have streams of their own.
        self._streams: dict[str | None, _Stream] = {}
        self._calls: dict[Key, list[_Call]] = {}

    def messages(self) -> tuple[Message, ...]:
        """
        Return what was said so far.
        """
        told: list[Message] = []
        for each in self._said:
            if isinstance(each, _Calls):
                told += each.messages()
            else:
                told.append(each if isinstance(each, Message) else each.message())
        return tuple(told)

    def tell(self, event: Event) -> None:
        """
        Take the next event.

        Raises:
            ValidationError: If a rule makes something else than a message of it.
        """
        if rule := self._rules.get(event.type):
            place = f"rules[{event.type!r}]"
            self._place(fields.optional(rule(event), place, _message), event)
            return
        match event.type:
            case EventType.MESSAGE_SENT:
                self._sent(event)
            case EventType.MESSAGE_RECEIVED:
                self._received(event)
            case EventType.MESSAGE_STREAMED:
                self._streamed(event)
            case EventType.TOOL_CALL_STARTED:
                self._start(*call_of(event))
            case EventType.TOOL_CALL_COMPLETED | EventType.TOOL_CALL_FAILED:
                self._ended(event)
            case EventType.TOOL_APPROVAL_REQUESTED:
                self._requested(event)
            case EventType.TOOL_APPROVAL_GRANTED:
                self._granted(event)
            case EventType.TOOL_APPROVAL_DENIED:
                self._denied(event)
            case _:
                pass

    def _place(self, message: Message | None, event: Event) -> None:
        if message is None:
            return
        if message.event_id is None:
            message = attrs.evolve(message, **origin_of(event))
        if message.is_call:
            self._start(message, message.tool_call_id or event.id)
        elif message.is_result:
            self._answer(message, message.tool_call_id or event.id)
        else:
            self._said.append(message)

    def _sent(self, event: Event) -> None:
        self._streams.pop(event.run_id, None)
        self._say(_message_of(event, Role.USER))

    def _received(self, event: Event) -> None:
        stream = self._streams.pop(event.run_id, None)
        message = _message_of(event, Role.ASSISTANT)
        if stream is None or not (
            message.is_speech and are_joined(stream.latest, message)
        ):
            self._say(message)
            return
        place = self._said.index(stream)
        content = message.content or "".join(stream.pieces)
        metadata = {**stream.latest.metadata, **message.metadata}
        self._said[place] = attrs.evolve(message, content=content, metadata=metadata)

    def _say(self, message: Message) -> None:
        if message.content is not None or message.provider_data:
            self._said.append(message)

    def _streamed(self, event: Event) -> None:
        delta = event.data.get("delta") or event.data.get("content")
        if not delta:
            return
        piece = delta if isinstance(delta, str) else compact_json(delta)
        message_id = text_of(event, "message_id")
        message = said_by(event, Role.ASSISTANT, message_id=message_id, is_partial=True)
        stream = self._streams.get(event.run_id)
        if stream is None or not are_joined(stream.latest, message):
            stream = self._streams[event.run_id] = _Stream(message, [])
            self._said.append(stream)
        stream.pieces.append(piece)
        stream.latest = attrs.evolve(
            message,
            message_id=message.message_id or stream.latest.message_id,
            metadata={**stream.latest.metadata, **message.metadata},
        )

    def _start(self, message: Message, key: Key) -> None:
        self._streams.pop(message.run_id, None)
        call = self._open_call(key, message.run_id)
        # A call that was asked for before, by whichever run, or is started again.
        if call and (not call.is_started or call.message.run_id == message.run_id):
            call.is_started = True
            _fill_input(call, message)
            _withdraw_notice(call)
        else:
            self._add_call(message, key, is_started=True)

    def _ended(self, event: Event) -> None:
        self._answer(*result_of(event))

    def _answer(self, result: Message, key: Key) -> None:
        call = self._open_call(key, result.run_id) or self._failed_call(key, result)
        if call is None:
            # Only the result was recorded, or the call is pruned or retracted.
            call = self._add_call(call_for(result), key, is_started=True)
        _fill_input(call, result)
        self._set_result(call, result)

    def _requested(self, event: Event) -> None:
        message, key = call_of(event)
        call = self._open_call(key, event.run_id)
        call = call or self._add_call(message, key, is_started=False)
        self._set_result(call, notice_of(message, APPROVAL_PENDING, is_error=False))

    def _granted(self, event: Event) -> None:
        _, key = call_of(event)
        if call := self._open_call(key, event.run_id):
            _withdraw_notice(call)

    def _denied(self, event: Event) -> None:
        message, key = call_of(event)
        call = self._open_call(key, event.run_id)
        call = call or self._add_call(message, key, is_started=False)
        reason = event.data.get("reason")
        text = f"{CALL_DENIED} {reason}" if reason else CALL_DENIED
        self._set_result(call, notice_of(message, text, is_error=True))

    def _add_call(self, message: Message, key: Key, *, is_started: bool) -> _Call:
        last = self._said[-1] if self._said else None
        if not isinstance(last, _Calls) or not last.take(message):
            last = _Calls()
            self._said.append(last)
        call = _Call(message, last, is_started)
        last.calls.append(call)
        self._calls.setdefault(key, []).append(call)
        return call

    def _open_call(self, key: Key, run_id: str | None) -> _Call | None:
        """
        Return the call of this id that has no result, preferably of this run.

        Some models use an id again once its call is over.
        """
        found = [call for call in self._calls.get(key, []) if call.is_open]
        of_run = [call for call in found if call.message.run_id == run_id]
        return next(reversed(of_run or found), None)

    def _failed_call(self, key: Key, result: Message) -> _Call | None:
        """
        Return the call whose failure was not the end of it.
        """
        call = next(reversed(self._calls.get(key, [])), None)
        if call is None or call.result is None or not call.result.is_error:
            return None
        return call if call.message.run_id == result.run_id else None

    @staticmethod
    def _set_result(call: _Call, result: Message) -> None:
        if call.result is None:
            call.beside.answered.append(call)
        # A result without an id of its own has that of its call.
        names = call.message.tool_call_id, call.message.tool_name
        is_named = (result.tool_call_id, result.tool_name) == names
        if not is_named or result.tool_input is not None:
            result = attrs.evolve(
                result,
                tool_call_id=call.message.tool_call_id,
                tool_name=call.message.tool_name,
                tool_input=None,
                tool_input_text=None,
            )
        call.result = result


def says_something(event: Event, rules: Mapping[str, Rule]) -> bool:
    """
    Return whether a transcript needs the event.
    """
    if isinstance(event.type, EventType):
        return event.type.family in _FAMILIES
    return event.type in rules


def _message_of(event: Event, default: Role) -> Message:
    return said_by(
        event,
        role_of(event, default),
        content=content_of(event),
        message_id=text_of(event, "message_id"),
    )


def _message(value: object, name: str) -> Message:
    return fields.instance(value, name, Message)


def _withdraw_notice(call: _Call) -> None:
    if call.result is not None and call.result.is_notice:
        call.result = None
        call.beside.answered.remove(call)


def _fill_input(call: _Call, message: Message) -> None:
    if call.message.tool_input is None and message.tool_input is not None:
        call.message = attrs.evolve(
            call.message,
            tool_input=message.tool_input,
            tool_input_text=message.tool_input_text,
        )
