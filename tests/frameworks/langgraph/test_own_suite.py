"""
LangGraph's own tests of graphs, from its source distribution, over our saver.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from tests.frameworks.own_suites import read_names, run_suite, unpack_source

HERE = Path(__file__).parent
ASYNCHRONOUS = "sqlite_aio"
SYNCHRONOUS = "sqlite and not sqlite_aes and not sqlite_aio"


@attrs.frozen
class Case:
    """
    A run of the tests: over which database, of which half, and how many pass.
    """

    fixture: str
    selected: str
    on_fork: str
    bar: int


CASES = [
    pytest.param(
        Case("migrated_sqlite_url", ASYNCHRONOUS, "allow", 262),
        id="sqlite-asynchronous",
    ),
    pytest.param(
        Case("migrated_sqlite_url", SYNCHRONOUS, "refuse", 392),
        id="sqlite-synchronous",
    ),
    pytest.param(
        Case("migrated_postgres_url", ASYNCHRONOUS, "refuse", 262),
        id="postgresql-asynchronous",
        marks=pytest.mark.postgres,
    ),
    pytest.param(
        Case("migrated_postgres_url", SYNCHRONOUS, "allow", 392),
        id="postgresql-synchronous",
        marks=pytest.mark.postgres,
    ),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES)
def test_all_tests_of_graphs_pass(
    case: Case, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """
    Every test that LangGraph runs over its SQLite savers passes over ours.

    Those of both halves are run on both databases, and with both options for forks.
    """
    options = ["-p", "no:asyncio", "-o", "addopts=", "tests", "-k", case.selected]
    report = run_suite(
        unpack_source("langgraph"),
        options,
        report=tmp_path / "report.xml",
        plugin=HERE / "swap_savers.py",
        environment={
            "NO_DOCKER": "true",
            "ASM_SUITE_URL": str(request.getfixturevalue(case.fixture)),
            "ASM_SUITE_ON_FORK": case.on_fork,
        },
    )

    assert report.failed == read_names(HERE / "expected_failures.txt"), report.output
    assert len(report.passed) >= case.bar
    # One file asks for what only the tests' own Docker has.
    assert len(report.skipped) <= 1
