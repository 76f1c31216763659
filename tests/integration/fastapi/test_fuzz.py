"""
The interface, fuzzed from its own description.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from asm_async.integrations.fastapi import Limits
from asm_async.testing.factories import make_event, make_item, make_run, make_session
from tests.effort import IS_THOROUGH, examples
from tests.integration.fastapi.serving import Service, as_tenant, open_service

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
STREAMS = "/stream$"
COVERAGE_SECONDS = 30 if IS_THOROUGH else 6


async def fuzz(
    service: Service,
    tenant_id: str,
    place: Path,
    *options: str,
    phases: str = "examples,fuzzing",
) -> str:
    """
    Try the operations that *options* choose, and give what was said of them.
    """
    (header,) = as_tenant(tenant_id).values()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        *(f"{service.url}/openapi.json", "--header", f"X-Tenant: {header}"),
        *("--checks", ",".join(CHECKS), "--phases", phases),
        *("--max-examples", str(examples(8))),
        *("--seed", "1", "--no-color"),
        *("--generation-database", "none", "--suppress-health-check", "all"),
        *options,
        cwd=place,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(90):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.parametrize("tenant_id", ["*", "own"])
async def test_whatever_is_asked_the_answer_is_one_that_is_described(
    migrated_sqlite_url: str, tmp_path: Path, tenant_id: str
) -> None:
    """
    No request is answered with 5xx, or with anything that OpenAPI does not describe.
    """
    async with open_service(migrated_sqlite_url) as service:
        store, query = service.ports.store, service.ports.query
        await store.save_session(make_session(tenant_id="theirs"))
        await store.save_run(make_run())
        await store.append_event(make_event())
        item = make_item(scope="app/user", key="theme", session_id="ses_1")
        await service.ports.state.save_items([item])
        before = await query.export_session("ses_1")
        said = await fuzz(service, tenant_id, tmp_path, "--exclude-path-regex", STREAMS)
        after = await query.export_session("ses_1")

    assert "Tested: 31" in said
    if tenant_id != "*":
        assert after == before


async def test_what_lies_beside_each_bound_is_answered_as_described(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    """
    The same holds of values at, above and below the bounds of each parameter.

    Schemathesis makes all combinations of an operation's optional parameters before it
    sends the first, of which a search has too many: each operation gets its share of
    the time, and what was made by then is sent.
    """
    async with open_service(migrated_sqlite_url) as service:
        bounded = ("--max-time", str(COVERAGE_SECONDS), "--exclude-path-regex", STREAMS)
        said = await fuzz(service, "*", tmp_path, *bounded, phases="coverage")

    assert "Coverage" in said
    assert "Tested: 0" not in said


async def test_whatever_is_asked_of_a_stream_the_answer_is_described(
    tmp_path: Path,
) -> None:
    """
    The same holds of streams.
    """
    # One that lasted longer would be waited for each time.
    async with open_service(None, Limits(max_stream_seconds=0.01)) as service:
        said = await fuzz(service, "*", tmp_path, "--include-path-regex", STREAMS)

    assert "Tested: 2" in said
