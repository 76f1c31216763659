"""
Strands' own tests, with our storage in the place of those of files and in memory.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frameworks.own_suites import read_names, run_suite, unpack_source

HERE = Path(__file__).parent
SESSIONS = "tests/strands/session/test_snapshot_session_manager.py"
OTHERS = [
    "tests/strands/storage/test_in_memory_storage.py",
    "tests/strands/storage/test_storage.py",
    "tests/strands/storage/search/test_keyword.py",
    "tests/strands/_context_manager/test_stash.py",
    "tests/strands/_context_manager/test_stash_integration.py",
    "tests/strands/_context_manager/test_retrieval_tool.py",
    "tests/strands/_context_manager/test_context_manager.py",
    "tests/strands/agent/test_agent_storage.py",
    "tests/strands/vended_memory_stores/file_memory_store",
]


@pytest.mark.timeout(300)
def test_their_session_managers_pass_their_own_tests_over_our_storage(
    framework_url: str | None, tmp_path: Path
) -> None:
    """
    All 117 tests of snapshots pass, and of 249 around them all but a white-box one.
    """
    report = run_suite(
        unpack_source("strands-agents"),
        ["-o", "addopts=", "-W", "ignore", SESSIONS, *OTHERS],
        report=tmp_path / "report.xml",
        plugin=HERE / "swap_storage.py",
        environment={"ASM_SUITE_URL": framework_url or ""},
    )
    assert report.failed == read_names(HERE / "expected_failures.txt"), report.output
    assert not report.skipped
    passed = [name for name in report.passed if "snapshot_session_manager" in name]
    assert len(passed) >= 117
    assert len(report.passed) >= 365
