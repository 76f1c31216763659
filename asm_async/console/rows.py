"""
Sessions as a list displays them: with a title, counts, and their latest run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, cast

from asm_async.console.access import Reader
from asm_async.console.answers import Row
from asm_async.console.cuts import members, optional_time, time_text
from asm_async.console.entry_answers import Tokens
from asm_async.console.runs import RunStates, latest_run, tokens_together
from asm_async.conventions.titles import title_in
from asm_async.errors import NotFoundError
from asm_async.transcripts.parts import text_of
from asm_async.values.event import Event, EventType
from asm_async.values.run import Run
from asm_async.values.session import Session

MAX_TITLE_LENGTH = 200
"""
How many characters a title has.
"""

Title: TypeAlias = tuple[str, Literal["given", "said", "id"]]
"""
A title, and where it is from.
"""

# What of a session's beginning is looked at for a title.
_FIRST_EVENTS = 50
_FIRST_MESSAGES = 3

# A page's rows are read side by side, and leave connections to others.
_ROWS_AT_ONCE = 4

# What each of them was asked and has answered is read, too.
_FEW_RUNS = 8


async def rows_of(reader: Reader, sessions: Sequence[Session]) -> list[Row]:
    """
    Describe sessions for a list; what was removed meanwhile is left out.
    """
    places = asyncio.Semaphore(_ROWS_AT_ONCE)

    async def described(session: Session) -> Row | None:
        async with places:
            try:
                return await row_of(reader, session)
            except NotFoundError:
                return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(described(session)) for session in sessions]
    return [row for task in tasks if (row := task.result()) is not None]


async def row_of(reader: Reader, session: Session) -> Row:
    """
    Describe a session for a list.

    Raises:
        SessionNotFoundError: If it is not there any more, or not the tenant's.
    """
    latest = await reader.ports.store.get_latest_sequence(
        session.id, expected_tenant=reader.tenant_id
    )
    runs, run_count, tokens = await _runs_of(reader, session.id)
    states = await RunStates.of(reader.ports.state, runs)
    title, title_is = await title_of(reader, session, has_events=latest > 0)
    return {
        "id": session.id,
        "title": title,
        "title_is": title_is,
        "agent_id": session.agent_id,
        "user_id": session.user_id,
        "tenant_id": session.tenant_id,
        "status": session.status.value,
        "tags": list(session.tags),
        "parent_session_id": session.parent_session_id,
        "created_at": time_text(session.created_at),
        "updated_at": time_text(session.updated_at),
        "last_activity_at": optional_time(session.last_activity_at),
        "deleted_at": optional_time(session.deleted_at),
        "revision": session.revision,
        "latest_sequence": latest,
        "run_count": run_count,
        "tokens": tokens,
        "latest_run": latest_run(runs[-1], states) if runs else None,
    }


async def _runs_of(
    reader: Reader, session_id: str
) -> tuple[Sequence[Run], int, Tokens]:
    """
    Return runs of a session, the latest one last, and the number and tokens of all.

    To read a few runs takes a tenth of the time that adding them up takes.
    """
    runs = await reader.ports.store.list_runs(
        session_id, limit=_FEW_RUNS + 1, expected_tenant=reader.tenant_id
    )
    if len(runs) <= _FEW_RUNS:
        return runs, len(runs), tokens_together(runs)
    found = await reader.view.search_runs(session_id=session_id, limit=1)
    usage = await reader.view.get_usage_summary(session_id=session_id)
    return found.items, usage.run_count, tokens_in_summary(usage)


def tokens_in_summary(summary: Any) -> Tokens:
    """
    Return the tokens of a :class:`~asm_async.values.summaries.UsageSummary`.
    """
    return {
        "input": summary.total_input_tokens,
        "output": summary.total_output_tokens,
        "total": summary.total_tokens,
        "cache_read": summary.total_cache_read_tokens,
        "cache_write": summary.total_cache_write_tokens,
        "reasoning": summary.total_reasoning_tokens,
    }


async def title_of(
    reader: Reader, session: Session, *, has_events: bool = True
) -> Title:
    """
    Return a session's title: given with it, or the first that was said, or its id.
    """
    if given := given_title(session):
        return given, "given"
    said = await first_words(reader, session.id) if has_events else ""
    return (said, "said") if said else (one_line(session.id) or "?", "id")


def given_title(session: Session) -> str:
    """
    Return the title that a session's metadata has; nothing if there is none.
    """
    return one_line(title_in(members(session.metadata)))


async def first_words(reader: Reader, session_id: str) -> str:
    """
    Return the first words of the user, or else of another; an empty text if none.
    """
    found = await reader.ports.store.get_events(
        session_id,
        type=EventType.MESSAGE_SENT,
        before=_FIRST_EVENTS + 1,
        limit=_FIRST_MESSAGES,
        expected_tenant=reader.tenant_id,
    )
    said = [(members(event.data).get("role"), _words(event)) for event in found]
    of_users = [words for role, words in said if words and role in {None, "user"}]
    return next(iter(of_users), next((words for _, words in said if words), ""))


def _words(event: Event) -> str:
    content: Any = members(event.data).get("content")
    if isinstance(content, str):
        return one_line(content)
    parts = cast("list[object]", content) if isinstance(content, list) else []
    texts = [text_of(members(part)) for part in parts]
    return one_line(" ".join(filter(None, texts)))


def one_line(text: str) -> str:
    """
    Return the beginning of a text on one line.
    """
    # Most of a long text is not looked at.
    line = " ".join(text[: 4 * MAX_TITLE_LENGTH].split())
    return line if len(line) <= MAX_TITLE_LENGTH else f"{line[: MAX_TITLE_LENGTH - 1]}…"
