"""
How a framework's own tests are had and run over our store.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree as ET

import attrs

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / ".nox" / "sources"


@attrs.frozen
class SuiteReport:
    """
    How the tests of a suite ended, by name: the path's tests as pytest names them.
    """

    passed: frozenset[str]
    failed: frozenset[str]
    skipped: frozenset[str]
    output: str


def unpack_source(package: str) -> Path:
    """
    Download the source distribution of the installed version, once, and unpack it.

    Returns:
        The folder that it has at its top.
    """
    version = metadata.version(package)
    name = f"{package.replace('-', '_')}-{version}"
    place = SOURCES / name
    if not place.exists():
        SOURCES.mkdir(parents=True, exist_ok=True)
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        source_only = [f"--no-binary={package}", f"--dest={SOURCES}"]
        subprocess.run(  # noqa: S603 - this Python's pip
            [*download, *source_only, f"{package}=={version}"], check=True, cwd=SOURCES
        )
        with tarfile.open(SOURCES / f"{name}.tar.gz") as archive:
            archive.extractall(SOURCES, filter="data")
    return place


def run_suite(
    source: Path,
    arguments: Sequence[str],
    *,
    report: Path,
    plugin: Path,
    environment: Mapping[str, str],
    timeout: float = 600.0,
) -> SuiteReport:
    """
    Run a framework's own tests with a plugin that puts our class in theirs' place.

    Args:
        source: The unpacked source distribution; the tests run in it.

        arguments: For pytest: files, ``-k`` and options.

        report: Where pytest's report is written.

        plugin: The plugin's file; its folder becomes importable, and nothing of ours.

        environment: What the plugin and the tests read, such as the database's URL.

        timeout: How long they may take, in seconds.
    """
    path = os.pathsep.join([str(plugin.parent), str(source)])
    command = [sys.executable, "-m", "pytest", "-p", plugin.stem, "-q", "--tb=short"]
    options = [f"--junitxml={report}", "-o", "junit_family=xunit1", "-p", "no:randomly"]
    ended = subprocess.run(  # noqa: S603 - this Python's pytest
        [*command, *options, *arguments],
        cwd=source,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    # 1 is pytest's for tests that failed; all else is no result.
    assert ended.returncode in {0, 1}, ended.stdout[-5_000:]
    passed, failed, skipped = set[str](), set[str](), set[str]()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(name)
        elif case.find("skipped") is not None:
            skipped.add(name)
        else:
            passed.add(name)
    return SuiteReport(
        frozenset(passed - failed), frozenset(failed), frozenset(skipped), ended.stdout
    )


def read_names(path: Path) -> frozenset[str]:
    """
    Read the names of tests from a file: one a line, a reason above after ``#``.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
