"""
Random sequences of what an application does with a store, carried out by two at once.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.tools import DeferredToolRequests
from pydantic_ai.usage import RequestUsage, RunUsage

T = TypeVar("T")

SCOPES = [None, "anna", "b\u00f6rge/2"]
IDS = ["c1", "c2", "c/3", "c4 " * 100]


class TwinStore(ConversationStore):
    """
    Has two stores do the same, and asserts that both answer the same.
    """

    def __init__(self, reference: ConversationStore, ours: ConversationStore) -> None:
        self.reference = reference
        self.ours = ours
        self.entry_ids: list[str] = []

    async def _both(self, call: Callable[[ConversationStore], Awaitable[T]]) -> T:
        expected = await outcome_of(lambda: call(self.reference))
        actual = await outcome_of(lambda: call(self.ours))
        if isinstance(expected, UserError | LookupError):
            assert type(actual) is type(expected), (actual, expected)
            assert actual.args == expected.args
            raise expected
        assert actual == expected
        return expected

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """
        Read a record from both.
        """
        return await self._both(lambda store: store.read_record(conversation_id))

    async def read_records(
        self, *, scope: str | None = None, limit: int | None = None
    ) -> Sequence[ConversationRecord]:
        """
        List the records of both.
        """
        return await self._both(
            lambda store: store.read_records(scope=scope, limit=limit)
        )

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        """
        Write a record to both.
        """
        await self._both(
            lambda store: store.write_record(
                record, new_entries=new_entries, expected_revision=expected_revision
            )
        )
        self.entry_ids += [entry.id for entry in new_entries]

    async def delete_record(
        self, conversation_id: str, *, expected_revision: str
    ) -> None:
        """
        Delete a record of both.
        """
        await self._both(
            lambda store: store.delete_record(
                conversation_id, expected_revision=expected_revision
            )
        )

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """
        Read an entry of both.
        """
        return await self._both(lambda store: store.read_entry(entry_id))

    async def read_history(
        self, head_id: str | None, *, limit: int | None = None
    ) -> list[ConversationEntry]:
        """
        Read a history from both.
        """
        return await self._both(lambda store: store.read_history(head_id, limit=limit))


async def outcome_of(call: Callable[[], Awaitable[T]]) -> T | UserError | LookupError:
    """
    Return what a call returns, or the error that its contract has.
    """
    try:
        return await call()
    except (UserError, LookupError) as error:
        return error


class Steps:
    """
    One sequence: what it does depends on its seed alone.
    """

    def __init__(self, store: TwinStore, seed: int) -> None:
        self.store = store
        self.random = random.Random(seed)
        # All sequences may be carried out in one database.
        self.ids = [f"{seed} {id_}" for id_ in IDS]
        self.loaded: list[Conversation] = []
        self.said = 0
        self.outcomes: list[str] = []

    async def run(self, steps: int) -> None:
        """
        Do *steps* of it, and look at all entries in the end.
        """
        for _ in range(steps):
            step = self.random.choices(*zip(*self._steps(), strict=True))[0]
            ended = await outcome_of(step)
            is_refused = isinstance(ended, Exception)
            self.outcomes.append(
                f"{step.__name__.lstrip('_')}{' refused' if is_refused else ''}"
            )
        reads = [partial(self.store.read_entry, id_) for id_ in self.store.entry_ids]
        await asyncio.gather(*(outcome_of(read) for read in reads))
        await self.store.list_conversations()

    def _steps(self) -> list[tuple[Callable[[], Awaitable[Any]], int]]:
        return [
            (self._begin, 3),
            (self._load, 3),
            (self._go_on, 8),
            (self._rewrite, 2),
            (self._branch, 4),
            (self._fork, 5),
            (self._delete, 3),
            (self._list, 2),
            (self._point_elsewhere, 2),
            (self._read_all, 1),
        ]

    async def _begin(self) -> None:
        await self._save(
            Conversation(messages=self._messages(), conversation_id=self._id())
        )

    async def _load(self) -> None:
        limit = self.random.choice([None, None, 0, 1, 2, 3, -1])
        found = await self.store.load(self._id(), limit=limit, scope=self._scope())
        if found is not None:
            self.loaded.append(found)

    async def _go_on(self) -> None:
        conversation = self._loaded()
        if conversation is not None:
            # A stale copy, too.
            conversation.messages.extend(self._messages())
            conversation.usage = RunUsage(requests=self.said, details={"x": 1})
            conversation.deferred_tool_requests = self.random.choice(
                [None, DeferredToolRequests(calls=[ToolCallPart("ask", {"a": [1]})])]
            )
            await self._save(conversation)

    async def _rewrite(self) -> None:
        known = self._loaded()
        if known is not None:
            keep = self.random.randint(0, len(known.messages))
            # Without its mark, as after serializing it.
            await self._save(
                Conversation(
                    messages=[*known.messages[:keep], *self._messages()],
                    conversation_id=known.conversation_id,
                    revision=known.revision,
                )
            )

    async def _branch(self) -> None:
        conversation_id = self._known_id()
        record = await self.store.read_record(conversation_id)
        revision = None if record is None else record.revision
        if self.random.random() < 0.1:
            revision = "stale"
        branched = await self.store.branch(
            conversation_id,
            **self._point(),
            expected_revision=revision,
            scope=self._scope(),
        )
        self.loaded.append(branched)

    async def _fork(self) -> None:
        point = self._point() if self.random.random() < 0.6 else {}
        source_id, target_id = self._known_id(), self._id()
        if self.random.random() < 0.6:
            target_id = f"{self.ids[0]} forked {len(self.ids)}"
            self.ids.append(target_id)
        forked = await self.store.fork(
            source_id,
            **point,
            new_conversation_id=target_id,
            scope=self._scope(),
            source_scope=self._scope(),
        )
        self.loaded.append(forked)

    async def _delete(self) -> None:
        await self.store.delete(self._id(), scope=self._scope())

    async def _list(self) -> None:
        limit = self.random.choice([None, 0, 1, 2])
        await self.store.list_conversations(scope=self._scope(), limit=limit)

    async def _point_elsewhere(self) -> None:
        """
        Write a record whose head is any entry that ever was.
        """
        if not self.store.entry_ids:
            return
        head_id = self.random.choice([*self.store.entry_ids[-12:], "nobody's"])
        record = await self.store.read_record(self._id())
        if record is None:
            record = ConversationRecord(conversation_id=self._id(), head_id=head_id)
            await self.store.write_record(record, expected_revision=None)
            return
        left = [] if record.head_id is None else [record.head_id]
        fresh = ConversationRecord(conversation_id="", head_id=None)
        await self.store.write_record(
            dataclasses.replace(
                record,
                head_id=head_id,
                branches=[*record.branches, *left],
                revision=fresh.revision,
                updated_at=fresh.updated_at,
            ),
            expected_revision=record.revision,
        )

    async def _read_all(self) -> None:
        for conversation_id in self.ids:
            await self.store.load_entries(conversation_id)

    async def _save(self, conversation: Conversation) -> None:
        await self.store.save(conversation, scope=self._scope())
        self.loaded.append(conversation)

    def _id(self) -> str:
        return self.random.choice(self.ids)

    def _known_id(self) -> str:
        known = self._loaded()
        return self._id() if known is None else known.conversation_id

    def _scope(self) -> str | None:
        return self.random.choice([None] * 6 + SCOPES)

    def _loaded(self) -> Conversation | None:
        return self.random.choice(self.loaded[-6:]) if self.loaded else None

    def _point(self) -> dict[str, Any]:
        if self.store.entry_ids and self.random.random() < 0.4:
            return {"from_entry": self.random.choice(self.store.entry_ids[-10:])}
        return {"at": self.random.randint(0, 2)}

    def _messages(self) -> list[ModelMessage]:
        made: list[ModelMessage] = []
        for _ in range(self.random.randint(0, 3)):
            self.said += 1
            text = self.random.choice([f"No. {self.said}", "the same"])
            if self.random.random() < 0.5:
                made.append(ModelRequest(parts=[UserPromptPart(text)]))
                continue
            call = ToolCallPart("look", {"at": text})
            result = ToolReturnPart("look", {"seen": [text]}, call.tool_call_id)
            answer = ModelResponse(
                parts=[TextPart(text), call],
                usage=RequestUsage(input_tokens=3, output_tokens=2),
                run_id=self.random.choice([None, "run-1", "run-2"]),
            )
            made += [answer, ModelRequest(parts=[result])]
        return made
