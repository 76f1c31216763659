"""
Databases that the SDK's own classes have written, imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from agents import SQLiteSession
from agents.extensions.memory import AdvancedSQLiteSession, SQLAlchemySession
from agents.result import RunResult
from agents.usage import Usage

from asm_async import InMemoryPorts, Ports
from asm_async.importers import import_from
from asm_async.integrations.openai_agents import AsmSession
from tests.frameworks.openai_agents.sdk_items import CONVERSATION

ITEMS: list[Any] = list(CONVERSATION)
MORE: Any = {"role": "user", "content": "And then?"}


async def test_the_sdk_continues_an_imported_session(
    ports: Ports, tmp_path: Path
) -> None:
    """
    ``AsmSession`` of the same id reads what the SDK's own reads, and takes what comes.
    """
    path = str(tmp_path / "theirs.sqlite3")
    theirs = SQLiteSession("chat", path)
    await theirs.add_items(ITEMS)
    done = await import_from(ports, "openai-agents", path)
    assert (done.events_imported, done.problem_count) == (len(ITEMS), 0)
    ours = AsmSession("chat", ports)
    assert await ours.get_items() == await theirs.get_items() == ITEMS
    await ours.add_items([MORE])
    assert await ours.pop_item() == MORE
    theirs.close()


async def test_what_was_popped_there_stays_here(ports: Ports, tmp_path: Path) -> None:
    """
    A row that has vanished changes nothing, and its number is not used again.
    """
    path = str(tmp_path / "theirs.sqlite3")
    theirs = SQLiteSession("chat", path)
    await theirs.add_items(ITEMS)
    await import_from(ports, "openai-agents", path)
    popped = await theirs.pop_item()
    await theirs.add_items([MORE])
    done = await import_from(ports, "openai-agents", path)
    assert (done.events_imported, done.problem_count) == (1, 0)
    assert (await AsmSession("chat", ports).get_items())[-2:] == [popped, MORE]
    theirs.close()


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
async def test_databases_of_sqlalchemy_sessions(
    kind: str, source_urls: dict[str, str], tmp_path: Path
) -> None:
    """
    Its URL is taken as it is, on SQLite and on PostgreSQL.
    """
    url = f"sqlite+aiosqlite:///{tmp_path}/theirs.sqlite3"
    url = source_urls.get(kind, url)
    theirs = SQLAlchemySession.from_url("chat", url=url, create_tables=True)
    await theirs.add_items(ITEMS)
    async with InMemoryPorts() as ports:
        done = await import_from(ports, "openai-agents", url)
        again = await import_from(ports, "openai-agents", url)
        assert (done.events_imported, done.problem_count) == (len(ITEMS), 0)
        assert again.events_imported == 0
        assert await AsmSession("chat", ports).get_items() == ITEMS
    await theirs.engine.dispose()


async def test_branches_and_tokens_of_advanced_sessions(
    ports: Ports, tmp_path: Path
) -> None:
    """
    A branch is a session below with what the SDK reads there; tokens are those of runs.
    """
    path = str(tmp_path / "theirs.sqlite3")
    theirs = AdvancedSQLiteSession(session_id="chat", db_path=path, create_tables=True)
    said: list[Any] = [{"role": "user", "content": text} for text in ("one", "two")]
    await theirs.add_items(said[:1])
    await theirs.store_run_usage(
        _result(Usage(2, 30, output_tokens=5, total_tokens=35))
    )
    await theirs.add_items(said[1:])
    branch = await theirs.create_branch_from_turn(2)
    await theirs.add_items([MORE])
    on_branch = await theirs.get_items()
    for _ in range(2):
        done = await import_from(ports, "openai-agents", path)
        assert done.problem_count == 0
    ours = AsmSession("chat", ports)
    assert await ours.get_items() == await theirs.get_items(branch_id="main") == said
    below = AsmSession(f"openai-agents/chat/{branch}", ports)
    assert await below.get_items() == on_branch
    (run,) = await ports.store.list_runs("chat")
    assert (run.total_tokens, run.turn_count) == (35, 2)
    theirs.close()


def _result(usage: Usage) -> RunResult:
    class _Context:
        def __init__(self) -> None:
            self.usage = usage

    class _Result:
        context_wrapper = _Context()

    return cast("RunResult", _Result())
