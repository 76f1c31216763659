"""
The workflows of the forge: what they run, and how little they may do.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

# Who may write what, and why it has to.
WRITING = {
    ("release", "announce"): {"contents"},
    ("release", "attest"): {"attestations", "id-token"},
    ("release", "publish"): {"id-token"},
}


def name_of(path: Path) -> str:
    """
    Name a workflow as a test's id.
    """
    return path.stem


def read(path: Path) -> dict[str, Any]:
    """
    Read a workflow.
    """
    workflow: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return workflow


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """
    Yield the jobs of all workflows: whose, which and what.
    """
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            yield path.stem, name, job


def matrix_of(job: str) -> dict[str, list[str]]:
    """
    Return the matrix of a job of ci.
    """
    (found,) = (
        each["strategy"]["matrix"]
        for workflow, name, each in jobs()
        if (workflow, name) == ("ci", job)
    )
    matrix: dict[str, list[str]] = found
    return matrix


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_each_action_is_pinned_by_commit(path: Path) -> None:
    """
    A tag that is moved changes nothing of what runs; a comment says which it was.
    """
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]

    assert [line for line in lines if not PINNED.search(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_no_workflow_knows_a_secret(path: Path) -> None:
    """
    Whoever could read all that a workflow sees would find nothing to log in with later.
    """
    assert "secrets" not in path.read_text("utf-8")


def test_each_job_may_do_what_it_needs_and_no_more() -> None:
    """
    A workflow may do nothing, and a job writes only what the release is made of.
    """
    writing = {
        (workflow, name): {right for right, how in rights.items() if how == "write"}
        for workflow, name, job in jobs()
        for rights in [job["permissions"]]
    }

    assert [read(path)["permissions"] for path in WORKFLOWS] == [{}] * len(WORKFLOWS)
    assert {job: rights for job, rights in writing.items() if rights} == WRITING


def test_what_builds_the_release_may_not_publish_it() -> None:
    """
    What runs the code of the project has no rights, and what has rights runs none.
    """
    for workflow, name, job in jobs():
        rights = set(job["permissions"].values())
        commands = " ".join(str(step.get("run")) for step in job["steps"])
        assert workflow == "ci" or ("write" in rights) != ("nox" in commands.lower()), (
            name
        )


def test_the_matrix_has_each_python_that_is_supported() -> None:
    """
    The Pythons of ci are those of the classifiers, the oldest twice.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = re.findall(r":: (3\.\d+)", "\n".join(project["classifiers"]))
    matrix = matrix_of("tests")
    oldest: list[Any] = matrix["include"]

    assert matrix["python"] == found
    assert {each["python"] for each in oldest} == {found[0]}


def test_the_matrix_has_each_framework() -> None:
    """
    The frameworks of ci are those that have tests.
    """
    folders = (ROOT / "tests" / "frameworks").iterdir()

    assert matrix_of("frameworks")["framework"] == sorted(
        path.name for path in folders if (path / "suite.txt").exists()
    )


def test_each_session_that_a_workflow_names_is_there() -> None:
    """
    What a workflow has nox run is a session of the noxfile.
    """
    tree = ast.parse((ROOT / "noxfile.py").read_bytes())
    sessions = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    told = {*matrix_of("checks")["session"], *matrix_of("debian")["session"]}
    for path in WORKFLOWS:
        for names in re.findall(r'NOX_VERSION" -s ([a-z ]+)', path.read_text("utf-8")):
            told.update(names.split())

    assert told - sessions == set()
