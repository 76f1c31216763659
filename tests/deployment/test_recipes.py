"""
What lies in examples/deploy, checked by the tools that would read it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
UNITS = sorted((DEPLOY / "systemd").iterdir())
MANIFESTS = sorted((DEPLOY / "kubernetes").iterdir())

# The oldest that its makers still mend, and the newest that the checker knows.
KUBERNETES = ["1.33.0", "1.37.0"]
# systemd's own scale, in tenths, from 0 (safe) to 100; "OK" ends at 45.
MAX_EXPOSURE = 25


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """
    Run a checker to its end.
    """
    return subprocess.run(  # noqa: S603 - on what is the project's own
        command, capture_output=True, text=True, check=False
    )


def manifests() -> list[dict[str, Any]]:
    """
    Return all resources.
    """
    return [
        each
        for path in MANIFESTS
        for each in yaml.safe_load_all(path.read_text("utf-8"))
    ]


def containers() -> list[dict[str, Any]]:
    """
    Return the containers of all resources that have one.
    """
    found: list[dict[str, Any]] = []
    for manifest in manifests():
        specification = manifest["spec"]
        if manifest["kind"] == "CronJob":
            specification = specification["jobTemplate"]["spec"]
        if "template" in specification:
            found += specification["template"]["spec"]["containers"]
    return found


def test_the_dockerfile_follows_the_rules() -> None:
    """
    hadolint, with all its rules, finds nothing.
    """
    done = run("hadolint", DOCKERFILE)

    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_image_copies_is_enough_to_install_it(tmp_path: Path) -> None:
    """
    The build stage's copies can be installed, and the last stage's programs are there.

    No engine runs here: this takes its COPY lines alone.
    """
    pattern = re.compile(r"^COPY (?!--)(.+) (\S+)$", re.MULTILINE)
    _, *stages = DOCKERFILE.read_text("utf-8").split("\nFROM ")
    copied = [pattern.findall(stage) for stage in stages]
    for sources, target in copied[0]:
        for source in sources.split():
            place = tmp_path / target / (source if target == "./" else "")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place)
            else:
                shutil.copy(ROOT / source, place)
    wheel = ["wheel", "--no-deps", f"--wheel-dir={tmp_path / 'made'}", tmp_path]

    done = run(sys.executable, "-m", "pip", "--quiet", *map(str, wheel))

    assert done.returncode == 0, done.stderr
    assert len([*(tmp_path / "made").glob("asm_async-*.whl")]) == 1
    programs = [ROOT / name for sources, _ in copied[1] for name in sources.split()]
    assert [path.name for path in programs if not path.exists()] == []


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    """
    What the build copies is let in by the list beside it, which begins by all out.
    """
    first, *kept = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").split()
    copied = re.findall(
        r"^COPY (?!--)(.+) \S+$", DOCKERFILE.read_text("utf-8"), re.MULTILINE
    )
    names = {name for names in copied for name in names.split()}

    assert first == "*"
    assert {f"!{name}" for name in names if "/" not in name} <= set(kept)
    assert {name for name in names if "/" in name} == {
        f"examples/deploy/{path.name}" for path in DEPLOY.glob("*.py")
    }


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """
    Return copies of the units, whose programs are this environment's.
    """
    places: list[Path] = []
    for unit in UNITS:
        text = unit.read_text("utf-8").replace("/opt/asm/bin", f"{sys.prefix}/bin")
        places.append(tmp_path / unit.name)
        places[-1].write_text(text, encoding="utf-8")
    return places


def test_systemd_understands_the_units(units: list[Path]) -> None:
    """
    systemd-analyze finds no unknown name, no wrong value and no missing program.
    """
    done = run("systemd-analyze", "verify", "--man=no", *units)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "name", [path.name for path in UNITS if path.suffix == ".service"]
)
def test_a_unit_may_do_little(name: str, units: list[Path]) -> None:
    """
    A process that is taken over finds next to nothing that it may do.
    """
    unit = next(path for path in units if path.name == name)

    done = run(
        "systemd-analyze",
        "security",
        "--offline=yes",
        f"--threshold={MAX_EXPOSURE}",
        unit,
    )

    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_understands_the_manifests(path: Path, version: str) -> None:
    """
    Each resource has what its schema demands and no name that it does not know.
    """
    done = run("kubernetes-validate", "--strict", "-k", version, path)

    assert done.returncode == 0, done.stderr + done.stdout


def test_no_container_has_rights_that_it_does_not_need() -> None:
    """
    Each runs without root, on a file system that it cannot write to.
    """
    contexts = [each["securityContext"] for each in containers()]

    assert len(contexts) == len(MANIFESTS)
    assert contexts == [
        {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    ] * len(contexts)


def test_a_pod_has_time_to_stop() -> None:
    """
    It is given longer than it is not told yet, requests go on, and their end is saved.
    """
    (deployment,) = (each for each in manifests() if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    _, before = container["lifecycle"]["preStop"]["exec"]["command"]
    requests = re.search(
        r"graceful-shutdown\", \"(\d+)\"", DOCKERFILE.read_text("utf-8")
    )
    assert requests is not None

    saving = 5
    assert (
        pod["terminationGracePeriodSeconds"] > int(before) + int(requests[1]) + saving
    )
