"""
What one line of a session file says of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, cast

import attrs

from asm_async.importers.lines import members_of
from asm_async.importers.names import digest_of, time_of
from asm_async.importers.records import NotUnderstoodError, Place

# What every line of a session has at least one of; files of other programs have none.
_MARKS = ("sessionId", "uuid", "leafUuid", "messageId", "message")

_FACTS: Mapping[str, str] = {
    "cwd": "cwd",
    "gitBranch": "git_branch",
    "version": "version",
    "entrypoint": "entrypoint",
    "slug": "slug",
}


@attrs.define(eq=False, slots=False)
class Entry:
    """
    One line, as it was read.
    """

    original: Mapping[str, Any]
    place: Place

    @classmethod
    def of(cls, original: Mapping[str, Any], place: Place) -> Entry:
        """
        Accept a line of a session.

        Raises:
            NotUnderstoodError: If it is none.
        """
        if not any(name in original for name in _MARKS):
            raise NotUnderstoodError(
                f"it is no line of a session: none of {', '.join(_MARKS)} is in it"
            )
        return cls(original, place)

    @cached_property
    def name(self) -> str:
        """
        Its ``uuid``, or a digest of it where it has none.
        """
        return self.text("uuid") or digest_of(self.original)

    @cached_property
    def type(self) -> str:
        """
        The type of the line; old versions left it out of answers.
        """
        given = self.text("type")
        if given is not None:
            return given
        message = members_of(self.original.get("message"))
        return (
            ("user" if message.get("role") == "user" else "assistant")
            if message
            else ""
        )

    @cached_property
    def time(self) -> datetime | None:
        """
        The time that it tells, of itself or of the snapshot that it holds.
        """
        within = members_of(self.original.get("snapshot"))
        return time_of(self.original.get("timestamp")) or time_of(
            within.get("timestamp")
        )

    @cached_property
    def message(self) -> Mapping[str, Any]:
        """
        The message that it holds; an empty object if it is none.
        """
        is_message = self.type in {"user", "assistant"}
        return members_of(self.original.get("message")) if is_message else {}

    @property
    def message_id(self) -> str | None:
        """
        The provider's id of an answer, which its lines share.
        """
        found = self.message.get("id") if self.type == "assistant" else None
        return found if isinstance(found, str) and found else None

    @property
    def is_sidechain(self) -> bool:
        """
        Whether a sub-agent wrote it.
        """
        return self.original.get("isSidechain") is True

    @property
    def is_api_error(self) -> bool:
        """
        Whether it says, as if the model did, that a request failed.
        """
        return self.original.get("isApiErrorMessage") is True

    @property
    def is_prompt(self) -> bool:
        """
        Whether it is what a person has said.
        """
        is_said = self.type == "user" and bool(self.message.get("content"))
        return is_said and not self.original.get("isMeta") and not self.has_results

    @property
    def has_results(self) -> bool:
        """
        Whether it holds results of tools.
        """
        return any(block.get("type") == "tool_result" for block in self.blocks)

    @cached_property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """
        The blocks of its message.
        """
        content = self.message.get("content")
        if not isinstance(content, list):
            return []
        return [members_of(block) for block in cast("list[object]", content)]

    @property
    def words(self) -> str:
        """
        The text of its message.
        """
        content = self.message.get("content")
        if isinstance(content, str):
            return content
        texts = [block.get("text") for block in self.blocks]
        return "\n".join(text for text in texts if isinstance(text, str))

    @property
    def called_tools(self) -> dict[str, str]:
        """
        The names of the tools that it calls, by the ids of the calls.
        """
        return {
            block["id"]: block["name"]
            for block in self.blocks
            if block.get("type") == "tool_use"
            and isinstance(block.get("id"), str)
            and isinstance(block.get("name"), str)
        }

    @property
    def facts(self) -> dict[str, str]:
        """
        What it says of the session as a whole.
        """
        told = {fact: self.text(name) for name, fact in _FACTS.items()}
        return {fact: text for fact, text in told.items() if text is not None}

    def text(self, name: str) -> str | None:
        """
        Return a member that is a text; None if it is none, or empty.
        """
        value = self.original.get(name)
        return value if isinstance(value, str) and value else None
