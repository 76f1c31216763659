"""
The branches of a thread, each a session: which messages are new in a checkpoint.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

import attrs

from asm_async.importers.databases.values import is_list
from asm_async.importers.langgraph.checkpoints import Checkpoint
from asm_async.importers.langgraph.messages import Message, message_of
from asm_async.importers.langgraph.values import Packed, plain
from asm_async.importers.names import digest_of
from asm_async.values.run import Run
from asm_async.values.session import Session


@attrs.define(eq=False)
class Branch:
    """
    Checkpoints that follow one another.
    """

    session: Session

    versions: dict[str, Any] = attrs.field(factory=dict[str, Any])
    """
    By channel, the version that was seen last.
    """

    run: Run | None = None
    """
    The invocation that its last checkpoint is of.
    """

    tools: dict[str, str] = attrs.field(factory=dict[str, str])
    """
    By the ids of calls, the tools that they are of.
    """

    _seen: set[bytes] = attrs.field(factory=set[bytes])
    _said: set[str] = attrs.field(factory=set[str])

    def changed_channels(self, checkpoint: Checkpoint) -> list[str]:
        """
        Return the channels that have another value than in the checkpoint before.
        """
        named = {**checkpoint.inline, **checkpoint.versions}
        changed = [
            channel
            for channel in named
            if channel not in self.versions
            or self.versions[channel] != checkpoint.versions.get(channel)
        ]
        for channel in changed:
            self.versions[channel] = checkpoint.versions.get(channel)
        return changed

    def new_messages(
        self, channel: str, value: list[Any]
    ) -> Generator[tuple[Message, str]]:
        """
        Yield the messages of a list that none before it had, each with a name for it.

        A message that was replaced under its id is new; one that only another version
        of LangChain has written is not. Those that have no id are told apart by their
        content and by how often the list has it.

        Raises:
            NotUnderstoodError: If one cannot be read.
        """
        times: Counter[bytes] = Counter()
        for each in value:
            # Most are as before, and need not be opened.
            digest = _digest_of(channel, each)
            number = times[digest]
            times[digest] += 1
            key = digest + number.to_bytes(4, "big")
            if key in self._seen:
                continue
            self._seen.add(key)
            message = message_of(each)
            if message is None:
                continue
            place = message.id or f"#{number}"
            name = digest_of([channel, place, message.digest])
            if name not in self._said:
                self._said.add(name)
                yield message, name


def is_messages(value: Any) -> bool:
    """
    Return whether a value is a list of messages.

    Raises:
        NotUnderstoodError: If its first member cannot be read.
    """
    return is_list(value) and bool(value) and message_of(value[0]) is not None


def _digest_of(channel: str, value: Any) -> bytes:
    if isinstance(value, Packed):
        parts: Iterable[bytes] = (channel.encode(), b"\0", value.data)
    else:
        parts = (channel.encode(), b"\1", digest_of(plain(value)).encode())
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.digest()
