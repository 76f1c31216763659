"""
The SDK's own tests, with our session in the place of its own stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.frameworks.own_suites import (
    SuiteReport,
    read_names,
    run_suite,
    unpack_source,
)
from tests.postgres_databases import PostgresDatabases

HERE = Path(__file__).parent

# Each group has the least number of its tests that pass.
GROUPS: Mapping[str, tuple[int, Sequence[str]]] = {
    "session": (53, ["memory/test_session", "memory/test_session_limit"]),
    "sqlalchemy": (25, ["extensions/memory/test_sqlalchemy_session"]),
    "compaction": (
        493,
        [
            "extensions/memory/test_encrypt_session",
            "memory/test_compaction_suffix",
            "memory/test_openai_responses_compaction_session",
            "memory/test_session_context_wrapper",
            "test_agent_runner",
            "test_hitl_session_scenario",
            "test_run_internal_items",
        ],
    ),
    "runner": (
        851,
        [
            "memory/test_compaction_model_visibility",
            "test_agent_runner_streamed",
            "test_agent_runner_sync",
            "test_max_turns",
            "test_native_tool_failure_history",
            "test_programmatic_tool_calling",
            "test_run_impl_resume_paths",
            "test_soft_cancel",
            "test_tool_batch_failure_history",
            "test_tool_failure_boundaries",
        ],
    ),
}

_SQLALCHEMY = "tests.extensions.memory.test_sqlalchemy_session"
_ENCRYPTED = "tests.extensions.memory.test_encrypt_session"
_OF_REDIS = (
    "test_encrypted_session_scan_budget_does_not_turn_redis_negative_limit_into_history"
)
_PROGRAMS = "tests.test_programmatic_tool_calling"

# Takes SQLite's write lock by a statement that no other database has.
OF_SQLITE = {f"{_SQLALCHEMY}::test_add_items_waits_for_transient_sqlite_write_lock"}

# Need a package that the SDK does not, or a newer Python.
SKIPPED = {
    f"{_ENCRYPTED}::{_OF_REDIS}",
    f"{_PROGRAMS}::test_sync_callable_does_not_infer_through_pep695_awaitable_alias",
}


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)],
)
def database(request: pytest.FixtureRequest) -> str:
    """
    Return each kind of database in turn.
    """
    return str(request.param)


@pytest.fixture(scope="module")
def report(
    database: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> SuiteReport:
    """
    Run all groups over one database of the kind, once.
    """
    place = tmp_path_factory.mktemp(database)
    if database == "sqlite":
        return _run(f"sqlite+aiosqlite:///{place}/suite.sqlite3", place)
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    with databases.empty() as url:
        return _run(url, place)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", GROUPS)
def test_the_tests_of_the_sdk_pass_but_for_those_that_look_inside(
    group: str, database: str, report: SuiteReport
) -> None:
    """
    Exactly those tests of the SDK fail that look inside its own stores.
    """
    least, files = GROUPS[group]
    expected = read_names(HERE / "expected_failures.txt")
    passed, failed, skipped = (
        {name for name in names if _file_of(name) in files}
        for names in (report.passed, report.failed, report.skipped)
    )
    of_other_databases = set[str]() if database == "sqlite" else OF_SQLITE

    assert failed - of_other_databases == {
        name for name in expected if _file_of(name) in files
    }
    assert len(passed) + len(failed & of_other_databases) >= least
    assert skipped <= SKIPPED


@pytest.mark.timeout(600)
def test_the_sdk_finds_our_session_in_memory(tmp_path: Path) -> None:
    """
    The tests of sessions alone have the same end over the ports in memory.
    """
    _, files = GROUPS["session"]

    report = _run("memory", tmp_path, files)

    assert report.failed == {
        name
        for name in read_names(HERE / "expected_failures.txt")
        if _file_of(name) in files
    }


def _run(url: str, place: Path, files: Sequence[str] | None = None) -> SuiteReport:
    wanted = files or [file for _, group in GROUPS.values() for file in group]
    return run_suite(
        unpack_source("openai-agents"),
        [f"tests/{file}.py" for file in wanted],
        report=place / "report.xml",
        plugin=HERE / "swap_sessions.py",
        environment={"ASM_SUITE_URL": url, "OPENAI_API_KEY": "none"},
    )


def _file_of(name: str) -> str:
    """
    Return the file that a test is of, below the folder of the tests.
    """
    module, _, _ = name.removeprefix("tests.").partition("::")
    return "/".join(part for part in module.split(".") if not part[0].isupper())
