"""
Which thread a rollout is of, and what of it is a copy of another's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import attrs

from asm_async.importers.codex.rollout_line import RolloutLine, made_at
from asm_async.importers.importer import ImportContext
from asm_async.importers.members import object_at, text_of
from asm_async.importers.names import session_id_of, time_of
from asm_async.values.session import Session

AGENT_ID = "codex"
"""
The ``agent_id`` of threads that a person leads.
"""

SUBAGENT_ID = "codex-subagent"
"""
The ``agent_id`` of threads that another one has started.
"""

_PROVIDER = "openai"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME_TO_COPY = timedelta(seconds=1)
_FACTS = (
    "cwd",
    "originator",
    "cli_version",
    "source",
    "git",
    "forked_from_id",
    "parent_thread_id",
    "agent_nickname",
    "agent_role",
)


@attrs.frozen(eq=False)
class Thread:
    """
    A thread, by the first line of its rollout.
    """

    id: str
    session: Session
    provider: str
    is_fork: bool
    began_at: datetime


def thread_of(
    context: ImportContext, shown: str, line: RolloutLine, time: datetime
) -> Thread:
    """
    Return the thread of a file.

    Args:
        context: What the import was asked for.

        shown: The file's path, whose name has the thread's id.

        line: The file's first line, which says what the thread is.

        time: When that was written.
    """
    meta: Mapping[str, Any] = {}
    if line.kind == "session_meta":
        meta = line.payload
    named = _UUID.search(PurePosixPath(shown).name)
    by_name = named.group() if named else PurePosixPath(shown).name.split(".")[0]
    thread_id = text_of(meta, "id") or by_name
    spawn = object_at(object_at(object_at(meta, "source"), "subagent"), "thread_spawn")
    forked_from = text_of(meta, "forked_from_id")
    parent = text_of(meta, "parent_thread_id") or text_of(spawn, "parent_thread_id")
    is_subagent = bool(parent) or bool(object_at(object_at(meta, "source"), "subagent"))
    began_at = time_of(meta.get("timestamp")) or time
    origin = parent or forked_from
    session = context.session(
        thread_id,
        agent_id=SUBAGENT_ID if is_subagent else AGENT_ID,
        created_at=began_at,
        parent_id=session_id_of(context.kind, origin) if origin else None,
        facts=_facts_of(meta),
    )
    return Thread(
        thread_id,
        session,
        text_of(meta, "model_provider") or _PROVIDER,
        bool(forked_from),
        began_at,
    )


def _facts_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {name: meta[name] for name in _FACTS if meta.get(name)}


class CopiedBeginning:
    """
    Tells the beginning of a rollout that was copied from another thread's.

    A fork begins with the history of its source, whose turns are not its own: what they
    cost counts there. Ids of turns have the time at which they were made; where they
    have none, what was written within a second is the copy.

    Args:
        thread: The thread.
    """

    def __init__(self, thread: Thread) -> None:
        self.goes_on: bool = thread.is_fork
        self._thread = thread
        self._own_time = made_at(thread.id) or thread.began_at
        self._first_time: datetime | None = None
        self._has_times = False

    def look(self, line: RolloutLine, time: datetime) -> None:
        """
        Take the next line.
        """
        if self._first_time is None:
            self._first_time = time
        elif line.kind == "session_meta":
            self.goes_on = text_of(line.payload, "id") not in {"", self._thread.id}
            self._first_time = time
        if not self.goes_on:
            return
        if turn_made_at := made_at(text_of(line.payload, "turn_id")):
            self._has_times = True
            self.goes_on = turn_made_at < self._own_time
        elif not self._has_times:
            self.goes_on = time - self._first_time < _TIME_TO_COPY
