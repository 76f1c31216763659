"""
The importer of lists of messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain, islice

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.compression import uncompressed_name
from asm_async.importers.conversation import Aside, Conversation, Speaker, Step
from asm_async.importers.documents import (
    Document,
    is_readable,
    read_in_thread,
    values_in,
)
from asm_async.importers.importer import ImportContext
from asm_async.importers.json_values import JSONPlace
from asm_async.importers.members import as_object
from asm_async.importers.message_lists.listed import Listed, is_message, listed
from asm_async.importers.message_lists.steps import MessageSteps
from asm_async.importers.names import digest_of
from asm_async.importers.pictures import records_of_documents
from asm_async.importers.records import Incoming, NotUnderstoodError, Place
from asm_async.importers.summary import ProblemCode
from asm_async.importers.titles import title_of

_ENDINGS = (".json", ".jsonl", ".ndjson")
_AGENT_ID = "assistant"
_PROVIDER = "openai"
_MAX_STEPS_OF_OPENING = 20
_DIGEST_LENGTH = 12
_MAX_RESPONSES = 100_000


class MessageListImporter:
    """
    Reads messages of Chat Completions and items of Responses, as they were sent.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file has messages with roles, and no tree of them.
        """
        is_named = uncompressed_name(path).endswith(_ENDINGS)
        return is_named and b'"role"' in beginning and b'"mapping"' not in beginning

    def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the records of the lists in a file, or in all files of JSON of a folder.
        """
        return records_of_documents(
            context,
            lambda path: path.endswith(_ENDINGS),
            partial(_conversations_in, context),
        )


async def _conversations_in(
    context: ImportContext, document: Document
) -> AsyncGenerator[Conversation]:
    values = values_in(context, document)
    while (first := await asyncio.to_thread(next, values, None)) is not None:
        if is_readable(context, document, first):
            break
    else:
        return
    if is_message(first.value):
        rest = (each for each in values if is_readable(context, document, each))
        yield _of_bare_messages(context, document, chain([first], rest))
        return
    reader = _ListReader(context, document)
    for conversation in reader.read(first):
        yield conversation
    async for value in read_in_thread(values):
        if is_readable(context, document, value):
            for conversation in reader.read(value):
                yield conversation


def _of_bare_messages(
    context: ImportContext, document: Document, values: Iterable[JSONPlace]
) -> Conversation:
    """
    Return the conversation that a whole file is, of whatever length.
    """
    maker = MessageSteps()
    steps = (
        maker.step(_place(document, value), value.path, as_object(value.value), None)
        for value in values
    )
    opening = list(islice(steps, _MAX_STEPS_OF_OPENING))
    made = _conversation(context, document, opening, (document.shown,))
    return attrs.evolve(made, steps=chain(opening, steps))


class _ListReader:
    """
    Reads the values of a document that are conversations each.
    """

    def __init__(self, context: ImportContext, document: Document) -> None:
        self._context = context
        self._document = document
        # By the ids of responses: each names the one before it.
        self._sessions: dict[str, str] = {}

    def read(self, value: JSONPlace) -> Iterator[Conversation]:
        """
        Yield the conversation that a value is, if it is one.
        """
        place = _place(self._document, value)
        try:
            found = listed(value.value, value.path)
        except (NotUnderstoodError, ValidationError) as error:
            code, reason = ProblemCode.NOT_UNDERSTOOD, f"{value.path}: {error}"
            self._context.tally.problem(place, code, reason)
            return
        share = place.byte_count // max(len(found.messages), 1)
        steps = list(
            MessageSteps().of_listed(attrs.evolve(place, byte_count=share), found)
        )
        names = (self._document.shown, found.id or f"@{value.number}")
        made = _conversation(
            self._context,
            self._document,
            steps,
            names,
            session_id=self._session_of(found),
            time=found.time,
        )
        rest = dict(found.rest)
        yield attrs.evolve(
            made,
            part=found.response_id,
            title=found.title or made.title,
            asides=[
                Aside(
                    place=place,
                    path=value.path,
                    name="conversation",
                    original=rest,
                    said=rest,
                    time=found.time,
                )
            ]
            if rest
            else (),
        )

    def _session_of(self, found: Listed) -> str | None:
        if found.response_id is None or found.session_id is not None:
            return found.session_id
        before = found.previous_id
        root = found.response_id
        if before is not None:
            root = self._sessions.get(before, before)
        if len(self._sessions) >= _MAX_RESPONSES:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[found.response_id] = root
        return root


def _conversation(
    context: ImportContext,
    document: Document,
    opening: list[Step],
    names: tuple[str, ...],
    *,
    session_id: str | None = None,
    time: datetime | None = None,
) -> Conversation:
    prompts = [i for i, step in enumerate(opening) if step.speaker is Speaker.PROMPT]
    if session_id is not None:
        names = (session_id,)
    else:
        # Files of one name, and lists whose places have moved, are told apart by it.
        until = prompts[0] + 1 if prompts else len(opening)
        said = [step.said for step in opening[:until]]
        names = (*names, digest_of(said)[:_DIGEST_LENGTH])
    begun = time or next((step.time for step in opening if step.time), None)
    prompt = opening[prompts[0]].text if prompts else None
    return Conversation(
        place=opening[0].place,
        session=context.session(
            *names, agent_id=_AGENT_ID, created_at=begun or document.time
        ),
        provider=_PROVIDER,
        steps=opening,
        title=title_of(prompt) if prompt else None,
        written_at=document.time,
    )


def _place(document: Document, value: JSONPlace) -> Place:
    return Place(document.shown, value.number, value.size)
