"""
A console alone in a process of its own, and the files of its page.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import attrs
import httpx
import pytest
from fastapi import FastAPI

from asm_async import InMemoryPorts, errors, open_ports
from asm_async.console import mount, serve
from asm_async.console.policy import host_name
from asm_async.console.serve import check_host, served_app
from asm_async.console.static_files import PageFiles, page_directory
from asm_async.integrations.fastapi import ports_lifespan
from asm_async.testing.factories import make_event, make_session
from tests.integration.console.serving import MARKED, PATH, Console
from tests.integration.fastapi.event_source import open_stream
from tests.integration.fastapi.serving import EVERYBODY, authorize, served

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from asm_async.console import serve
serve(
    sys.argv[1],
    port=0,
    writable=sys.argv[2] == "writable",
    on_ready=lambda url: print(url, flush=True),
)
print("ended", flush=True)
"""


@attrs.frozen
class ConsoleProcess:
    """
    A console in a process of its own.
    """

    url: str
    process: asyncio.subprocess.Process

    async def stop(self, number: signal.Signals) -> tuple[int | None, str, str]:
        """
        Ask it to stop, and return its exit code and what it said.
        """
        self.process.send_signal(number)
        async with asyncio.timeout(10):
            out, err = await self.process.communicate()
        return self.process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def open_process(
    database_url: str, mode: str = "reading"
) -> AsyncGenerator[ConsoleProcess]:
    """
    Serve a console as ``asm console`` does.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", PROGRAM, database_url, mode),
        cwd=ROOT,
        env={**os.environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            url = (await process.stdout.readline()).decode().strip()
        assert url, (await process.communicate())[1].decode()
        yield ConsoleProcess(url, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
async def test_a_console_serves_until_it_is_asked_to_stop(
    migrated_sqlite_url: str, number: signal.Signals
) -> None:
    """
    It says where it is, reads, and ends with its open streams when it is told to.
    """
    async with open_ports(migrated_sqlite_url) as ports:
        await ports.store.save_session(make_session(tenant_id="acme"))

    async with (
        open_process(migrated_sqlite_url) as console,
        httpx.AsyncClient(base_url=console.url, timeout=20) as client,
        open_stream(client, "api/stream/sessions") as stream,
    ):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", console.url)
        message = await stream.next()
        about = (await client.get("api/about")).json()
        code, out, err = await console.stop(number)

    assert message is not None
    assert message.data["items"][0]["tenant_id"] == "acme"
    assert about["is_operator"]
    assert about["read_only"]
    assert about["database"]["kind"] == "sqlite"
    assert about["database"]["name"].endswith(".sqlite3")
    assert (code, out, err) == (0, "ended\n", "")


async def test_another_process_sees_what_is_appended(migrated_sqlite_url: str) -> None:
    """
    A console shows what other processes write, while they do.
    """
    async with open_ports(migrated_sqlite_url) as ports:
        await ports.store.save_session(make_session())
        async with (
            open_process(migrated_sqlite_url) as console,
            httpx.AsyncClient(base_url=console.url, timeout=20) as client,
            open_stream(client, "api/stream?session_id=ses_1") as stream,
        ):
            first = await stream.next()
            await ports.store.append_event(make_event())
            async with asyncio.timeout(10):
                second = await stream.next()

    assert first is not None
    assert second is not None
    assert (first.event, second.event) == ("session", "entries")


async def test_a_console_writes_only_if_it_was_started_so(
    migrated_sqlite_url: str,
) -> None:
    """
    With ``writable`` a session can be renamed, by the console's own page.
    """
    async with open_ports(migrated_sqlite_url) as ports:
        await ports.store.save_session(make_session())
    for mode, status in (
        ("reading", HTTPStatus.FORBIDDEN),
        ("writable", HTTPStatus.OK),
    ):
        async with (
            open_process(migrated_sqlite_url, mode) as console,
            httpx.AsyncClient(base_url=console.url, timeout=20) as client,
        ):
            answer = await client.post(
                "api/session/rename?session_id=ses_1",
                json={"title": "new"},
                headers={**MARKED, "Origin": console.url.rstrip("/")},
            )
        assert answer.status_code == status


def local_client(*hosts: str) -> httpx.AsyncClient:
    """
    Make a client of a console that has only been started.
    """
    app = served_app(InMemoryPorts(), hosts=hosts)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8321"
    )


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8321",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "",
        "[::2]:8321",
        "user@127.0.0.1",
    ],
)
async def test_a_page_of_another_name_reads_nothing(host: str) -> None:
    """
    A name that was made to point at this machine is refused, for files as for data.
    """
    async with local_client("127.0.0.1", "localhost", "::1") as client:
        for path in ("/", "/api/sessions", "/static/app.js"):
            answer = await client.get(path, headers={"Host": host})

            assert answer.status_code == HTTPStatus.BAD_REQUEST
            assert answer.json()["code"] == "unknown_host"
            assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:80", "localhost"),
        ("127.0.0.1:8321", "127.0.0.1"),
        ("[::1]:8321", "::1"),
        ("[::1]", "::1"),
        ("Console.Example:443", "console.example"),
    ],
)
def test_a_hosts_name_is_without_its_port(host: str, name: str) -> None:
    """
    Names are compared without ports and in lower case, addresses of IPv6 as well.
    """
    assert host_name(host) == name


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104 - refused
def test_a_console_listens_to_this_machine_alone(
    migrated_sqlite_url: str, host: str
) -> None:
    """
    Another address is refused, before anything is opened, unless it is allowed.
    """
    with pytest.raises(errors.ValidationError, match=r"^host: .*allow_remote=True"):
        serve(migrated_sqlite_url, host=host)

    check_host(host, allow_remote=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_addresses_of_this_machine_are_allowed(host: str) -> None:
    """
    All of loopback is this machine.
    """
    check_host(host, allow_remote=False)


def test_a_port_that_is_taken_is_an_error(migrated_sqlite_url: str) -> None:
    """
    Whoever starts a console is told, not logged, that its port is taken.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=r"in use"):
            serve(migrated_sqlite_url, port=port)


def test_a_database_without_our_tables_is_an_error(tmp_path: Path) -> None:
    """
    Whoever starts a console is told what the database lacks.
    """
    with pytest.raises(errors.MigrationRequiredError):
        serve(f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite3'}", port=0)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """
    Return the files of a page, in place of the package's.
    """
    (tmp_path / "index.html").write_text("<!doctype html><title>t</title>", "utf-8")
    (tmp_path / "app.js").write_text("export {};", "utf-8")
    (tmp_path / "app.css").write_text("a {}", "utf-8")
    monkeypatch.setattr(
        "asm_async.console.static_files.page_directory", lambda: tmp_path
    )
    return tmp_path


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/?session=a&at=5", "text/html; charset=utf-8"),
        ("/static/app.js", "text/javascript; charset=utf-8"),
        ("/static/app.css", "text/css; charset=utf-8"),
    ],
)
@pytest.mark.usefixtures("page")
async def test_files_are_asked_for_anew_and_not_sent_again(
    path: str, media_type: str
) -> None:
    """
    A file has an entity tag, by which a browser learns that it is as it was.
    """
    app = FastAPI(lifespan=ports_lifespan(InMemoryPorts()))
    mount(app, PATH, authorize=authorize)
    async with (
        served(app) as url,
        httpx.AsyncClient(base_url=url, headers=EVERYBODY) as client,
    ):
        first = await client.get(f"{PATH}{path}")
        tag = {"If-None-Match": first.headers["etag"]}
        second = await client.get(f"{PATH}{path}", headers=tag)
        head = await client.head(f"{PATH}{path}")

    assert first.status_code == head.status_code == HTTPStatus.OK
    assert first.headers["content-type"] == media_type
    assert first.headers["cache-control"] == "no-cache"
    assert second.status_code == HTTPStatus.NOT_MODIFIED
    assert second.content == head.content == b""


@pytest.mark.parametrize(
    "path", ["/static/../access.py", "/static/..%2faccess.py", "/static/%2e%2e/x"]
)
async def test_only_the_pages_files_are_served(
    memory_console: Console, path: str
) -> None:
    """
    No path leads out of the folder of the page.
    """
    answer = await memory_console.client.get(f"{PATH}{path}")

    assert answer.status_code == HTTPStatus.NOT_FOUND


async def test_the_console_is_found_without_its_last_slash(
    memory_console: Console,
) -> None:
    """
    ``/console`` leads to ``/console/``, below which the page's relative URLs lie.
    """
    answer = await memory_console.client.get(PATH, follow_redirects=False)

    assert answer.status_code == HTTPStatus.TEMPORARY_REDIRECT
    assert httpx.URL(answer.headers["location"]).path == f"{PATH}/"


@pytest.mark.usefixtures("page")
async def test_a_console_works_below_a_proxys_prefix() -> None:
    """
    With a root path the same routes answer, since nothing in them names the prefix.
    """
    app = FastAPI()
    mount(app, authorize=authorize)
    transport = httpx.ASGITransport(app, root_path="/team")
    async with (
        ports_lifespan(InMemoryPorts())(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://team.example", headers=EVERYBODY
        ) as client,
    ):
        for path in ("/console/", "/console/api/about", "/console/static/app.js"):
            answer = await client.get(f"/team{path}")
            assert answer.status_code == HTTPStatus.OK, path


def test_the_pages_files_lie_in_the_package() -> None:
    """
    They are installed with it.
    """
    assert page_directory() == ROOT / "asm_async" / "console" / "static"
    assert PageFiles().directory == page_directory()
