"""
What is in the wheel and in the source distribution.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

from tests.distribution.conftest import ROOT, build

ADDRESS = "https://forge.example/somebody/asm_async"


def digests_in(directory: Path) -> dict[str, str]:
    """
    Return the digest of each file of a directory.
    """
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
    }


def metadata_of(wheel: Path) -> Message:
    """
    Return what a wheel says of itself.
    """
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


def committed(*folders: str) -> set[str]:
    """
    Return the files below some folders that are in version control.
    """
    command = ["git", "-C", str(ROOT), "ls-files", *folders]
    return set(subprocess.check_output(command, text=True).splitlines())  # noqa: S603 - our own source


def test_two_builds_are_equal(built: Path, tmp_path: Path) -> None:
    """
    Whoever builds the same commit again gets the same bytes.
    """
    assert digests_in(build(tmp_path)) == digests_in(built)


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    """
    Each committed file of the package is in the wheel, and no other file.

    The contract suites for adapters of others are, on purpose; our own tests, examples
    and data are not.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == committed("asm_async")
    assert "asm_async/testing/session_store/contract.py" in names


def test_the_source_distribution_has_all_that_its_tests_need(
    source_distribution: Path,
) -> None:
    """
    It holds the package, its tests, docs, examples and benchmarks, as committed.
    """
    folders = ("asm_async", "benchmarks", "docs", "examples", "schema", "tests")
    with tarfile.open(source_distribution) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}

    assert committed(*folders, "noxfile.py", "SECURITY.md") - names == set()


def test_the_metadata_names_no_address_that_nobody_gave(wheel: Path) -> None:
    """
    The addresses are those of the forge that has built it; without one there are none.
    """
    labels = [
        url.partition(",")[0] for url in metadata_of(wheel).get_all("Project-URL", [])
    ]

    assert labels in ([], ["Source", "Issues", "Changelog", "Documentation"])


def test_a_forge_is_named_with_links_that_lead_there(tmp_path: Path) -> None:
    """
    Built for a forge, the metadata has its address, and the README's links lead there.
    """
    (wheel,) = build(tmp_path, ASM_REPOSITORY_URL=ADDRESS).glob("*.whl")
    metadata = metadata_of(wheel)
    version = metadata["Version"]

    assert f"Source, {ADDRESS}" in metadata.get_all("Project-URL", [])
    readme = str(metadata.get_payload())
    assert f"]({ADDRESS}/raw/v{version}/docs/images/agents.svg)" in readme
    assert f"]({ADDRESS}/blob/v{version}/docs/tutorial.md)" in readme
    assert "](docs/" not in readme


def test_a_wheel_made_of_the_source_distribution_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It has the forge's address too, though whoever makes it has no such variable.
    """
    (released,) = build(tmp_path / "a", ASM_REPOSITORY_URL=ADDRESS).glob("*.whl")
    (source,) = (tmp_path / "a").glob("*.tar.gz")
    monkeypatch.delenv("ASM_REPOSITORY_URL", raising=False)
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (unpacked,) = (tmp_path / "source").iterdir()

    (made,) = build(tmp_path / "b", "--wheel", source=unpacked).glob("*.whl")

    assert made.read_bytes() == released.read_bytes()
