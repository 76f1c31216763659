"""
The service as it is deployed: a process, asked over HTTP and told to stop.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from tests.page_blocks import ROOT

DEPLOY = ROOT / "examples" / "deploy"
TOKEN = "a-token"  # noqa: S105 - of this test alone
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


def command_of(dockerfile: Path) -> list[str]:
    """
    Return what a container of the image runs.
    """
    text = dockerfile.read_text("utf-8").replace("\\\n", "")
    command = re.findall(r"^CMD (.*)$", text, re.MULTILINE)[-1]
    words: list[str] = json.loads(command)
    return words


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """
    Return what the service is told, with a database that is migrated.
    """
    tenants = tmp_path / "tenants.json"
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    tenants.write_text(json.dumps({digest: "acme"}), encoding="utf-8")
    environment = {
        **os.environ,
        "ASM_DATABASE_URL": f"sqlite:///{tmp_path / 'agents.sqlite3'}",
        "ASM_TENANTS": str(tenants),
        "PYTHONPATH": str(ROOT),
    }
    migrate = [sys.executable, "-m", "asm_async", "db", "upgrade"]
    subprocess.run(migrate, env=environment, check=True)  # noqa: S603 - our own command
    return environment


@contextmanager
def served(
    environment: dict[str, str], *more: str
) -> Generator[tuple[str, subprocess.Popen[bytes]]]:
    """
    Run the image's command here, on a port that is free.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program, *words = command_of(DEPLOY / "Dockerfile")
    words[words.index("--host") + 1] = "127.0.0.1"
    words[words.index("--port") + 1] = str(port)
    command = [sys.executable, "-m", program, *words, *more]
    process = subprocess.Popen(command, env=environment, cwd=DEPLOY)  # noqa: S603 - our own service
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def wait_for(address: str, path: str) -> httpx.Response:
    """
    Ask until a service answers that all is well.
    """
    transport = httpx.HTTPTransport(retries=10)
    with httpx.Client(transport=transport, base_url=address) as client:
        while True:
            try:
                if (answer := client.get(path)).is_success:
                    return answer
            except httpx.TransportError:
                continue


def probes() -> set[str]:
    """
    Return the paths that the manifests and the image ask.
    """
    (manifest, *_) = yaml.safe_load_all(
        (DEPLOY / "kubernetes" / "service.yaml").read_text("utf-8")
    )
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    asked = {container[kind]["httpGet"]["path"] for kind in kinds}
    return asked | set(
        re.findall(r":8000(/[a-z/]+)", (DEPLOY / "Dockerfile").read_text("utf-8"))
    )


def test_the_probes_are_answered_without_a_token(environment: dict[str, str]) -> None:
    """
    Each path that the manifests ask is answered; the sessions ask for a token.
    """
    with served(environment) as (address, _):
        answers = {path: wait_for(address, path).json() for path in probes()}
        refused = httpx.get(f"{address}/asm/sessions")
        listed = httpx.get(f"{address}/asm/sessions", headers=AUTHORIZED)

    assert answers == {
        path: {"status": "ok"} for path in ("/health/live", "/health/ready")
    }
    assert refused.status_code == httpx.codes.UNAUTHORIZED
    assert listed.json()["items"] == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_that_is_told_to_stop_ends_its_streams(
    workers: int, environment: dict[str, str]
) -> None:
    """
    On SIGTERM a stream ends, the ports are closed, and the process ends in good order.
    """
    with (
        served(environment, f"--workers={workers}") as (address, process),
        httpx.Client(base_url=address, headers=AUTHORIZED, timeout=30) as client,
    ):
        wait_for(address, "/health/ready")
        with client.stream("GET", "/asm/events/stream") as answer:
            process.send_signal(signal.SIGTERM)
            answer.read()
        # Uvicorn ends by the signal that it was told to stop by.
        code = process.wait(timeout=30)

    assert answer.status_code == httpx.codes.OK
    assert code in {0, -signal.SIGTERM}
    assert not Path(
        environment["ASM_DATABASE_URL"].removeprefix("sqlite:///") + "-wal"
    ).exists()
