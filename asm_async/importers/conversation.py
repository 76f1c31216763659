"""
A conversation as a source has it now, which may be another one tomorrow.

An export or a list of messages is a picture, not a log: people edit messages, ask again
and go back to another answer. What is imported of it is made the same as the picture:
what both have in common stays, the rest is hidden and followed by what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import attrs

from asm_async.importers.records import Attachment, Place
from asm_async.transcripts.event_maker import EventMaker
from asm_async.values.session import Session

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Speaker(StrEnum):
    """
    Who speaks in a step, as far as it matters for runs.
    """

    PROMPT = "prompt"
    """
    A person: what follows an answer begins a run.
    """

    ANSWER = "answer"
    """
    The model, to the person.
    """

    CALL = "call"
    """
    The model, to a tool: the run goes on.
    """

    OTHER = "other"
    """
    The system, a tool: the run goes on as well.
    """


@attrs.frozen(kw_only=True, eq=False)
class Step:
    """
    One message of a conversation.
    """

    place: Place
    """
    Where it stands.
    """

    path: str
    """
    Where it stands within its file, such as ``$[3].mapping.abc``.
    """

    original: Mapping[str, Any]
    """
    The source's record.
    """

    said: Any
    """
    What of it makes another message of it if it changes: any JSON value.
    """

    speaker: Speaker
    """
    Who speaks.
    """

    add: Callable[[EventMaker], None]
    """
    Makes its events, if it says something; raises ``NotUnderstoodError`` or
    ``ValidationError`` where it has another form than is known, and those stay that
    were made.
    """

    record_name: str = "message"
    """
    What it is called if it says nothing.
    """

    time: datetime | None = None
    """
    When it was said, if the source tells.
    """

    text: str | None = None
    """
    Its text, which is the input or the output of its run.
    """

    model: str | None = None
    """
    The model that said it.
    """

    usage: Mapping[str, int] = _NOTHING
    """
    The tokens that it took, as counts of a run.
    """

    cost_usd: float | None = None
    """
    What it cost, in US dollars.
    """

    attachments: Callable[[], Iterable[Attachment]] = tuple
    """
    Reads the contents that its events name by their keys.
    """


@attrs.frozen(kw_only=True, eq=False)
class Aside:
    """
    A record that belongs to a conversation and is not said in it, such as a branch.
    """

    place: Place
    path: str
    name: str
    """
    What such records are called.
    """

    original: Mapping[str, Any]
    said: Any
    """
    What of it makes another record of it if it changes: any JSON value.
    """

    time: datetime | None = None


@attrs.frozen(kw_only=True, eq=False)
class Conversation:
    """
    A conversation as a source has it.
    """

    place: Place
    """
    Where it stands.
    """

    session: Session
    """
    Its session, as it is created.
    """

    provider: str
    """
    The provider of its models.
    """

    steps: Iterable[Step]
    """
    What is said, in order.
    """

    asides: Iterable[Aside] = ()
    """
    What else there is.
    """

    part: str | None = None
    """
    The name of the part of the session that it is: then nothing else of the session is
    taken back. None if it is all of it.
    """

    written_at: datetime | None = None
    """
    The time of what is new in a stored session and tells no time itself.
    """

    title: str | None = None
    facts: Mapping[str, Any] = _NOTHING
    updated_at: datetime | None = None
    """
    When it was changed last: an older picture than the one that was imported last takes
    nothing back.
    """
