"""
TLS to PostgreSQL, through a relay that does for the server what this build cannot.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from asm_async import open_store
from asm_async.errors import StorageError, StorageUnavailableError, ValidationError

pytestmark = pytest.mark.postgres

# Signed by itself, for 127.0.0.1 alone, with its key.
CERTIFICATE = Path(__file__).with_name("tls_server.pem")

SSL_REQUEST_BYTES = 8
CHUNK_BYTES = 65_536


class TLSRelay:
    """
    Encrypts what passes between clients and a server that has no TLS.
    """

    def __init__(self, url: str) -> None:
        self._target = sa.make_url(url)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.handshakes = 0

    def demand_certificates(self) -> None:
        """
        Let in only those who show the certificate, too.
        """
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(CERTIFICATE)

    def url(self, host: str = "127.0.0.1", **parameters: str) -> sa.URL:
        """
        Return the database's URL by this way.
        """
        url = self._target.set(host=host, port=self.port)
        return url.update_query_dict(parameters)

    async def start(self) -> None:
        """
        Begin to listen.
        """
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """
        Cut all connections.
        """
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await reader.readexactly(SSL_REQUEST_BYTES)
            writer.write(b"S")
            await writer.start_tls(self._context)
            self.handshakes += 1
            there, back = await asyncio.open_connection(
                self._target.host, self._target.port
            )
            await asyncio.gather(pump(reader, back), pump(there, writer))
        except (OSError, EOFError, asyncio.CancelledError):
            writer.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """
    Pass on all that comes.
    """
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    Keep what lies in a developer's home and environment out of this.
    """
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PGSSLROOTCERT", "PGSSLMODE", "PGSSLCERT", "PGSSLKEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
async def relay(migrated_postgres_url: str) -> AsyncIterator[TLSRelay]:
    """
    Yield a relay to a database with our tables.
    """
    relay = TLSRelay(migrated_postgres_url)
    await relay.start()
    yield relay
    await relay.stop()


async def use(url: sa.URL) -> None:
    """
    Open a store and read something.
    """
    async with open_store(url, timeout=5) as store:
        assert await store.list_sessions() == []


async def test_require_encrypts_whoever_the_server_is(relay: TLSRelay) -> None:
    """
    With a root certificate it verifies, as libpq has it.
    """
    await use(relay.url(sslmode="require"))
    await use(relay.url("localhost", sslmode="require", sslrootcert=str(CERTIFICATE)))

    assert relay.handshakes == 2


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_that_is_signed_by_another_is_refused_at_once(
    relay: TLSRelay, mode: str, tmp_path: Path
) -> None:
    """
    The error is none that a repetition cures, and says what to do.
    """
    other = tmp_path / "other.pem"
    other.write_text(OTHER_AUTHORITY)
    with pytest.raises(StorageError, match="certificate verify failed") as caught:
        await use(relay.url(sslmode=mode, sslrootcert=str(other)))

    assert not isinstance(caught.value, StorageUnavailableError)
    assert "sslrootcert=FILE" in str(caught.value)


async def test_verify_full_compares_the_name_too(relay: TLSRelay) -> None:
    """
    The certificate is for 127.0.0.1, not for localhost.
    """
    root = str(CERTIFICATE)
    await use(relay.url("localhost", sslmode="verify-ca", sslrootcert=root))
    await use(relay.url(sslmode="verify-full", sslrootcert=root))
    with pytest.raises(StorageError, match="certificate verify failed"):
        await use(relay.url("localhost", sslmode="verify-full", sslrootcert=root))


async def test_an_authority_may_be_named_in_the_usual_places(
    relay: TLSRelay, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    By PGSSLROOTCERT or in the home directory; without any the error names both.
    """
    url = relay.url(sslmode="verify-full")
    with pytest.raises(ValidationError, match=r"PGSSLROOTCERT.*root\.crt"):
        await use(url)
    monkeypatch.setenv("PGSSLROOTCERT", str(CERTIFICATE))
    await use(url)
    monkeypatch.delenv("PGSSLROOTCERT")
    (home / ".postgresql").mkdir()
    (home / ".postgresql" / "root.crt").write_bytes(CERTIFICATE.read_bytes())
    await use(url)


async def test_a_client_shows_the_certificate_that_its_url_names(
    relay: TLSRelay,
) -> None:
    """
    With its key beside it, or in a file of its own.
    """
    relay.demand_certificates()
    file = str(CERTIFICATE)
    await use(relay.url(sslmode="require", sslcert=file))
    await use(
        relay.url(sslmode="verify-full", sslrootcert=file, sslcert=file, sslkey=file)
    )
    with pytest.raises(StorageUnavailableError):
        async with open_store(relay.url(sslmode="require"), timeout=0.1):
            pass


OTHER_AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIURMPqpBlmHbd2o5S8uVetlFCXcMEwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRYXNtX2FzeW5jIGFub3RoZXIwIBcNMjYxMTI5MTMwMjI0WhgP
MjEyNjExMDUxMzAyMjRaMBwxGjAYBgNVBAMMEWFzbV9hc3luYyBhbm90aGVyMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErvzjdekVfhlVAt3FT8lIiwzS/Y0pMc5B
uikRWHMdYr73Mpz5ykb53PzbOUryvIXbK+tfQ4Lg+H6LcuNPlBwfz6NTMFEwHQYD
VR0OBBYEFE1MB4U3yaWx7PcmEKv2LjjnQmv4MB8GA1UdIwQYMBaAFE1MB4U3yaWx
7PcmEKv2LjjnQmv4MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
dMiVl8WKH011G8LLMovSJLADI2j4O3tDUu0IIJ4+wzICIQCo6P6dwARogRRQwWV6
Dgftg+vFaV7Un58EV0WsWV9FtA==
-----END CERTIFICATE-----
"""
