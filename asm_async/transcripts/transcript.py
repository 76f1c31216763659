"""
The messages of a session, rebuilt from its events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType

import attrs

from asm_async.errors import ValidationError
from asm_async.ports.session_reader import SessionReader
from asm_async.transcripts.excerpt import (
    CountTokens,
    Excerpt,
    estimate_tokens,
    last_of,
)
from asm_async.transcripts.message import Message, Rule
from asm_async.transcripts.provider_messages import ProviderMessages
from asm_async.transcripts.telling import Telling, says_something
from asm_async.values import fields
from asm_async.values.event import EVENTS_RETRACTED, Event, EventType, event_type
from asm_async.values.retraction import Ranges, hidden_ranges, is_hidden, merged

_NO_RULES: Mapping[str, Rule] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Transcript:
    """
    The messages of a session, rebuilt from its events.

    It is made by :func:`transcript_of` and :func:`read_transcript`. However the events
    of a session are divided among calls, the same events make an equal transcript.
    """

    session_id: str
    """
    The session.
    """

    events: tuple[Event, ...] = ()
    """
    The events with a message that are not retracted, in order.
    """

    last_sequence: int = 0
    """
    The greatest sequence number seen, also of events without a message; 0 for none.
    """

    hidden: Ranges = ()
    """
    The ranges of sequence numbers that retractions have hidden.
    """

    rules: Mapping[str, Rule] = _NO_RULES
    """
    What makes messages of an application's own types of event.
    """

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """
        The messages, in the order that a model accepts.

        A result follows its call, however much later it came; calls that were made
        together stay together, followed by their results.
        """
        telling = Telling(self.rules)
        for event in self.events:
            telling.tell(event)
        return telling.messages()

    def with_events(self, events: Iterable[Event]) -> Transcript:
        """
        Return the transcript with further events, in whatever order they come.

        Those with a sequence number are put in order, before those without one; an
        event that is known already is not added twice.

        Raises:
            ValidationError: If one of *events* is no event, or of another session.
        """
        last_sequence, ranges = self.last_sequence, [*self.hidden]
        known = {event.id: event for event in self.events}
        for place, event in enumerate(events):
            self._check(event, f"events[{place}]")
            last_sequence = max(last_sequence, event.sequence_number)
            if event.type == EVENTS_RETRACTED:
                ranges += hidden_ranges(event.data)
            elif says_something(event, self.rules):
                earlier = known.get(event.id)
                if earlier is None or not earlier.sequence_number:
                    known[event.id] = event
        hidden = merged(ranges)
        visible = (
            each
            for each in known.values()
            if not is_hidden(each.sequence_number, hidden)
        )
        return attrs.evolve(
            self,
            events=tuple(sorted(visible, key=_place_of)),
            last_sequence=last_sequence,
            hidden=hidden,
        )

    def _check(self, event: Event, name: str) -> None:
        fields.instance(event, name, Event)
        if event.session_id != self.session_id:
            raise ValidationError(
                f"{name}: it belongs to session {event.session_id!r}, and the"
                f" transcript to {self.session_id!r}: make one for each session"
            )

    def last(
        self,
        *,
        max_messages: int | None = None,
        max_tokens: int | None = None,
        count_tokens: CountTokens = estimate_tokens,
    ) -> Excerpt:
        """
        Return the latest messages, after the system messages at the beginning.

        A call is never parted from its result, nor from the calls beside it and the
        text before it: they are kept or left out as a whole. The newest whole is always
        kept, and ``is_over_budget`` says if that is too much.

        Args:
            max_messages: The most messages, at least 1; None for no limit.

            max_tokens: The most tokens, at least 1; None for no limit.

            count_tokens:
                Returns how many tokens a text takes: a message, a tool's name and
                input, or its output. Unless given, a token is four characters. A part
                that is no text counts as 1,600.

        Raises:
            ValidationError: If a limit is no whole number of at least 1, or
                *count_tokens* returns no count.
        """
        return last_of(
            self.messages,
            max_messages=max_messages,
            max_tokens=max_tokens,
            count_tokens=count_tokens,
        )

    def to_openai(self) -> ProviderMessages:
        """
        Return all messages as :meth:`Excerpt.to_openai` does.
        """
        return Excerpt(messages=self.messages).to_openai()

    def to_responses(self) -> ProviderMessages:
        """
        Return all messages as :meth:`Excerpt.to_responses` does.
        """
        return Excerpt(messages=self.messages).to_responses()

    def to_anthropic(self) -> ProviderMessages:
        """
        Return all messages as :meth:`Excerpt.to_anthropic` does.
        """
        return Excerpt(messages=self.messages).to_anthropic()


def transcript_of(
    events: Iterable[Event],
    *,
    session_id: str | None = None,
    rules: Mapping[str, Rule] = _NO_RULES,
) -> Transcript:
    """
    Return the transcript of a session's events.

    Args:
        events: Events of one session; see :meth:`Transcript.with_events`.

        session_id: The session; that of the first event unless given.

        rules:
            For types of an application's own: what makes a message of such an event, or
            None of one that says nothing. A message with a *tool_name* is placed as a
            call, one of a tool as a result.

    Raises:
        ValidationError: If there is neither a session nor an event, an event is of
            another session, or *rules* are none.
    """
    given = list(events)
    if session_id is None:
        if not given:
            raise ValidationError(
                "session_id: give it, since there is no event to take it from"
            )
        session_id = fields.instance(given[0], "events[0]", Event).session_id
    empty = Transcript(
        session_id=fields.text(session_id, "session_id"),
        rules=fields.mapping_of(rules, "rules", _own_type, fields.function),
    )
    return empty.with_events(given)


async def read_transcript(
    store: SessionReader,
    session_id: str,
    *,
    rules: Mapping[str, Rule] = _NO_RULES,
    expected_tenant: str | None = None,
    page_size: int = 1_000,
) -> Transcript:
    """
    Read a session's events, page by page, and return its transcript.

    Args:
        store: A session store, or another reader of sessions.

        session_id: The session; an unknown one has said nothing.

        rules: As for :func:`transcript_of`.

        expected_tenant: Whose the session must be; None if that is not asked.

        page_size: How many events are read at once, at least 1.

    Raises:
        SessionNotFoundError: If *expected_tenant* has no session of this id.

        ValidationError: As :func:`transcript_of` does.
    """
    transcript = transcript_of((), session_id=session_id, rules=rules)
    return await update_transcript(
        store, transcript, expected_tenant=expected_tenant, page_size=page_size
    )


async def update_transcript(
    store: SessionReader,
    transcript: Transcript,
    *,
    expected_tenant: str | None = None,
    page_size: int = 1_000,
) -> Transcript:
    """
    Read what is new since *transcript*, and return the transcript with it.

    Messages that were retracted meanwhile are removed.

    Args:
        store: A session store, or another reader of sessions.

        transcript: The transcript so far; it is not changed.

        expected_tenant: Whose the session must be; None if that is not asked.

        page_size: How many events are read at once, at least 1.

    Raises:
        SessionNotFoundError: If *expected_tenant* has no session of this id.

        ValidationError: If *transcript* is none, or *page_size* is less than 1.
    """
    fields.instance(transcript, "transcript", Transcript)
    limit = fields.positive_count(page_size, "page_size")
    after, events = transcript.last_sequence, list[Event]()
    while True:
        # Hidden events are read as well: a retraction may come between two pages.
        page = await store.get_events(
            transcript.session_id,
            after=after,
            limit=limit,
            expected_tenant=expected_tenant,
        )
        events += page
        if len(page) < limit:
            return transcript.with_events(events)
        after = page[-1].sequence_number


def _own_type(value: object, name: str) -> str:
    known = event_type(value, name)
    if isinstance(known, EventType):
        raise ValidationError(
            f"{name}: {known.value!r} has a rule already; rules are for types of your"
            " own"
        )
    return known


def _place_of(event: Event) -> tuple[bool, int]:
    return not event.sequence_number, event.sequence_number
