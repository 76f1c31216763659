"""
LangGraph's own tests of its stores, with ours in the place of theirs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frameworks.own_suites import read_names, run_suite, unpack_source

HERE = Path(__file__).parent
DATABASES = ["sqlite_file", pytest.param("postgresql", marks=pytest.mark.postgres)]
OPTIONS = ["-o", "addopts=", "-o", "asyncio_mode=auto", "-W", "ignore"]
READS_AND_WRITES = ["test_store", "test_async_store"]


def run(package: str, files: list[str], least: int, url: str, path: Path) -> None:
    """
    Run some files of a package's tests, and prove which of them fail.
    """
    report = run_suite(
        unpack_source(package),
        [*OPTIONS, *(f"tests/{each}.py" for each in files)],
        report=path / "report.xml",
        plugin=HERE / "swap_store.py",
        environment={"ASM_SUITE_URL": url},
    )
    starts = tuple(f"{package} tests.{each}::" for each in files)
    listed = read_names(HERE / "store_expected_failures.txt")
    expected = {name.split(" ")[1] for name in listed if name.startswith(starts)}
    assert report.failed == expected, report.output[-20_000:]
    assert not report.skipped
    assert len(report.passed) >= least


@pytest.mark.timeout(300)
@pytest.mark.parametrize("framework_url", DATABASES, indirect=True)
def test_the_tests_of_the_store_in_memory_pass(
    framework_url: str, tmp_path: Path
) -> None:
    """
    Of 117 tests all but 7 pass, which want vectors.
    """
    run("langgraph-checkpoint", ["test_store"], 110, framework_url, tmp_path)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("framework_url", DATABASES, indirect=True)
def test_the_tests_of_the_stores_on_sqlite_pass(
    framework_url: str, tmp_path: Path
) -> None:
    """
    Of 142 tests all but 29 pass, which want vectors, or look into SQLite.
    """
    package = "langgraph-checkpoint-sqlite"
    run(package, READS_AND_WRITES, 113, framework_url, tmp_path)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("framework_url", DATABASES, indirect=True)
def test_the_tests_of_the_time_to_live_pass(framework_url: str, tmp_path: Path) -> None:
    """
    Of 11 tests all but the 2 of a sweeper in the background pass.
    """
    run("langgraph-checkpoint-sqlite", ["test_ttl"], 9, framework_url, tmp_path)
