"""
What is peculiar to contents in a bucket.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import obstore
import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from asm_async.errors import (
    ArtifactNotFoundError,
    PermissionDeniedError,
    StorageError,
    StorageUnavailableError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.integrations.obstore import ObjectArtifactStore
from asm_async.testing.concurrency import cancel_after
from tests.objects.conftest import BucketPlace, s3_store
from tests.objects.faulty_server import FaultyServer

MIB = 1 << 20
LONG = os.urandom(MIB) * 20
SOME = hashlib.sha256(b"hello").hexdigest()

Call = Callable[[ObjectArtifactStore], Awaitable[object]]


async def in_mebibytes(
    content: bytes, error: Exception | None = None
) -> AsyncIterator[bytes]:
    """
    Yield a content a mebibyte at a time, and then *error*.
    """
    for start in range(0, len(content), MIB):
        yield content[start : start + MIB]
    if error is not None:
        raise error


async def read_all(store: ObjectArtifactStore) -> bytes:
    """
    Read a content piece by piece.
    """
    async with aclosing(store.stream(SOME)) as pieces:
        return b"".join([piece async for piece in pieces])


CALLS: dict[str, Call] = {
    "put": lambda store: store.put(b"hello"),
    "put in parts": lambda store: store.put(LONG),
    "put in pieces": lambda store: store.put(in_mebibytes(LONG)),
    "get": lambda store: store.get(SOME),
    "stream": read_all,
    "delete": lambda store: store.delete(SOME),
    "list": lambda store: store.list_checksums(),
    "leftovers": lambda store: store.remove_leftovers(),
    "sign": lambda store: store.presigned_url(SOME),
}


@pytest.fixture
def store(artifact_store_backend: BucketPlace) -> ObjectArtifactStore:
    """
    Return a store on the test's bucket.
    """
    return ObjectArtifactStore(artifact_store_backend.store)


@pytest.fixture
def impatient(artifact_store_backend: BucketPlace) -> ObjectArtifactStore:
    """
    Return another store on it whose timeout runs out soon.
    """
    return ObjectArtifactStore(artifact_store_backend.store, timeout=1.0)


@pytest.mark.parametrize("is_in_pieces", [True, False])
async def test_a_long_content_is_uploaded_in_parts(
    store: ObjectArtifactStore,
    artifact_store_backend: BucketPlace,
    s3_server: FaultyServer,
    is_in_pieces: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    """
    It comes back whole, lies under its checksum alone, and leaves no upload.
    """
    s3_server.requests.clear()
    put = await store.put(in_mebibytes(LONG) if is_in_pieces else LONG)
    assert put.checksum_sha256 == hashlib.sha256(LONG).hexdigest()
    assert put.byte_size == len(LONG)
    assert sum("partNumber=" in each for each in s3_server.requests) == 3
    assert await store.get(put.checksum_sha256) == LONG
    assert await store.put(LONG) == put
    assert await artifact_store_backend.leftovers() == 0
    assert await store.list_checksums() == [put.checksum_sha256]


@pytest.mark.parametrize("is_in_pieces", [True, False])
async def test_a_cancelled_upload_leaves_no_part(
    store: ObjectArtifactStore,
    artifact_store_backend: BucketPlace,
    is_in_pieces: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    """
    Whenever it is cancelled.
    """
    turns, result = 0, None
    while result is None:
        given = in_mebibytes(LONG) if is_in_pieces else LONG
        async with asyncio.timeout(30):
            result = await cancel_after(turns, store.put(given))
        assert await artifact_store_backend.leftovers() == 0
        turns += 1 + turns // 6


async def test_a_source_that_fails_leaves_no_part(
    store: ObjectArtifactStore, artifact_store_backend: BucketPlace
) -> None:
    """
    Its error goes through, and nothing is kept.
    """
    error = ConnectionResetError("the source is gone")
    with pytest.raises(ConnectionResetError) as caught:
        await store.put(in_mebibytes(LONG, error))
    assert caught.value is error
    assert await artifact_store_backend.leftovers() == 0
    assert await store.list_checksums() == []


@pytest.mark.parametrize("name", CALLS)
async def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    store: ObjectArtifactStore, s3_server: FaultyServer, name: str
) -> None:
    """
    The caller does not notice.
    """
    await store.put(b"hello")
    with s3_server.failing("503 Slow Down", times=2):
        await CALLS[name](store)


@pytest.mark.parametrize("name", CALLS.keys() - {"sign"})
async def test_a_server_that_stays_busy_is_unavailable(
    store: ObjectArtifactStore,
    impatient: ObjectArtifactStore,
    s3_server: FaultyServer,
    name: str,
) -> None:
    """
    The error says that the same call may succeed later.
    """
    await store.put(b"hello")
    with (
        s3_server.failing("503 Slow Down"),
        pytest.raises(StorageUnavailableError) as caught,
    ):
        await CALLS[name](impatient)
    assert caught.value.retryable


@pytest.mark.parametrize("name", CALLS.keys() - {"sign"})
async def test_a_silent_server_is_given_up_in_time(
    store: ObjectArtifactStore,
    impatient: ObjectArtifactStore,
    s3_server: FaultyServer,
    name: str,
) -> None:
    """
    Each call raises within its timeout and a second.
    """
    await store.put(b"hello")
    began = asyncio.get_running_loop().time()
    with s3_server.failing(None), pytest.raises(StorageUnavailableError, match="1 s"):
        await CALLS[name](impatient)
    assert asyncio.get_running_loop().time() - began < 2.0


@pytest.mark.parametrize("name", CALLS.keys() - {"sign"})
async def test_a_refusal_names_the_credentials(
    store: ObjectArtifactStore, s3_server: FaultyServer, name: str
) -> None:
    """
    Trying again is no use.
    """
    await store.put(b"hello")
    with (
        s3_server.failing("403 Forbidden"),
        pytest.raises(PermissionDeniedError, match="credentials"),
    ):
        await CALLS[name](store)


@pytest.mark.parametrize("name", CALLS.keys() - {"sign"})
async def test_a_bucket_that_is_not_there_is_named(
    s3_server: FaultyServer, name: str
) -> None:
    """
    And not taken for a content that is not there.
    """
    store = ObjectArtifactStore(s3_store(s3_server.endpoint, "nobodys-bucket"))
    with pytest.raises(StorageError, match="no such bucket"):
        await CALLS[name](store)


@pytest.mark.parametrize("status", ["503 Slow Down", "400 Bad Request", None])
@pytest.mark.parametrize("name", ["put in parts", "put in pieces"])
async def test_a_part_that_fails_ends_the_upload(
    impatient: ObjectArtifactStore,
    s3_server: FaultyServer,
    artifact_store_backend: BucketPlace,
    name: str,
    status: str | None,
) -> None:
    """
    What was uploaded is deleted, and no half content is ever seen.
    """
    store = ObjectArtifactStore(artifact_store_backend.store)

    def is_second_part(_method: str, path: str) -> bool:
        return "partNumber=2" in path

    with (
        s3_server.failing(status, fits=is_second_part),
        pytest.raises(StorageError),
    ):
        await CALLS[name](impatient if status is None else store)
    assert await store.list_checksums() == []
    # Nobody can abort an upload on a server that does not answer.
    expected = 1 if status is None else 0
    assert await artifact_store_backend.leftovers() == expected


async def test_an_upload_whose_last_answer_was_lost_can_be_repeated(
    store: ObjectArtifactStore, s3_server: FaultyServer
) -> None:
    """
    The client asks again and then finds no upload to abort: no bucket is missing.
    """

    def is_last(method: str, path: str) -> bool:
        return method == "POST" and "uploadId=" in path

    with (
        s3_server.failing("503 Slow Down", fits=is_last, is_done=True),
        pytest.raises(StorageUnavailableError, match="its answer was lost"),
    ):
        await store.put(in_mebibytes(LONG))
    assert await store.list_checksums() == []
    put = await store.put(in_mebibytes(LONG))
    assert await store.list_checksums() == [put.checksum_sha256]


async def test_a_signed_url_reads_a_content_without_credentials(
    store: ObjectArtifactStore,
) -> None:
    """
    As it was put.
    """
    put = await store.put(b"hello")
    url = await store.presigned_url(put.checksum_sha256)
    assert "X-Amz-Expires=3600" in url

    def read() -> bytes:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 - it is http
            return cast("bytes", answer.read())

    assert await asyncio.to_thread(read) == b"hello"
    with pytest.raises(ArtifactNotFoundError):
        await store.presigned_url("ab" * 32)
    for wrong in (timedelta(), timedelta(seconds=-1), 60):
        with pytest.raises(ValidationError, match=r"^expires_in: "):
            await store.presigned_url(SOME, expires_in=cast("timedelta", wrong))


async def test_what_cannot_sign_says_so() -> None:
    """
    The memory has no URLs.
    """
    store = ObjectArtifactStore(MemoryStore())
    await store.put(b"hello")
    with pytest.raises(UnsupportedOperationError, match="signs no URLs"):
        await store.presigned_url(SOME)


async def test_a_content_is_as_young_as_its_writer_says(
    store: ObjectArtifactStore,
) -> None:
    """
    Though the lists of S3 tell whole seconds, so that it looks older.
    """
    for _ in range(5):
        decided = datetime.now(UTC)
        await store.put(b"hello")
        assert await store.list_checksums(last_put_before=decided) == []
        assert not await store.delete(SOME, last_put_before=decided)


@pytest.mark.parametrize("prefix", ["", "/", "a/b", "/a/"])
async def test_stores_share_a_bucket_under_names_of_their_own(
    artifact_store_backend: BucketPlace, prefix: str
) -> None:
    """
    What others keep there is neither listed nor deleted.
    """
    opened: ObjectStore = artifact_store_backend.store
    other = ObjectArtifactStore(opened, prefix="other")
    await other.put(b"theirs")
    store = ObjectArtifactStore(opened, prefix=prefix)
    root = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    for name in ("readme.txt", f"{SOME}/readme.txt", f"{SOME}readme"):
        await obstore.put_async(opened, f"{root}contents/{name}", b"not ours")
    assert await store.list_checksums() == []
    assert await store.delete(SOME) is False
    await store.put(b"hello")
    assert await store.list_checksums() == [SOME]
    assert await store.delete(SOME)
    assert len(await other.list_checksums()) == 1


async def test_an_upload_that_nobody_finished_is_removed_after_a_day(
    tmp_path: Path,
) -> None:
    """
    And none that may be under way.
    """
    store = ObjectArtifactStore(LocalStore(tmp_path))
    uploads = tmp_path / "artifacts" / "uploads"
    uploads.mkdir(parents=True)
    long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for name in ("old", "new"):
        (uploads / name).write_bytes(b"x")
    os.utime(uploads / "old", (long_ago, long_ago))
    assert await store.remove_leftovers() == 1
    assert [path.name for path in uploads.iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"store": None}, "store"),
        ({"store": MemoryStore(), "prefix": None}, "prefix"),
        ({"store": MemoryStore(), "timeout": None}, "timeout"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], name: str) -> None:
    """
    By its name.
    """
    with pytest.raises(ValidationError, match=f"^{name}: "):
        ObjectArtifactStore(**arguments)


PUTS_A_GIGABYTE = """
    import asyncio, hashlib, resource, sys
    from contextlib import aclosing
    from asm_async.integrations.obstore import ObjectArtifactStore
    from tests.objects.conftest import s3_store

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    async def pieces():
        for number in range(1024):
            yield number.to_bytes(8, "big") * (1 << 17)

    async def main():
        store = ObjectArtifactStore(s3_store(*sys.argv[1:]), timeout=120)
        before = peak()
        put = await store.put(pieces())
        size, digest = 0, hashlib.sha256()
        async with aclosing(store.stream(put.checksum_sha256)) as read:
            async for piece in read:
                size += len(piece)
                digest.update(piece)
        assert size == put.byte_size == 1 << 30
        assert digest.hexdigest() == put.checksum_sha256
        print(peak() - before)

    asyncio.run(main())
"""


@pytest.mark.timeout(300)
async def test_a_gigabyte_takes_little_memory(
    s3_server: FaultyServer, bucket: str
) -> None:
    """
    Less than 100 MiB, there and back.
    """
    code = textwrap.dedent(PUTS_A_GIGABYTE)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code, s3_server.endpoint, bucket],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100
