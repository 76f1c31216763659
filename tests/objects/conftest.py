"""
A server that speaks as S3 does, with a bucket for each test.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from datetime import timedelta

import httpx
import pytest
from obstore.store import S3Store

from tests.artifact_stores import ObjectArtifactPlace
from tests.objects.faulty_server import FaultyServer


@pytest.fixture(scope="session")
def s3_server() -> Generator[FaultyServer]:
    """
    Yield a server of this process's.
    """
    server = FaultyServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3_endpoint(s3_server: FaultyServer) -> str:
    """
    Return its address.
    """
    return s3_server.endpoint


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    """
    Return the name of an empty bucket.
    """
    name = f"bucket-{secrets.token_hex(8)}"
    httpx.put(f"{s3_endpoint}/{name}").raise_for_status()
    return name


def s3_store(endpoint: str, bucket: str, *, max_retries: int = 3) -> S3Store:
    """
    Return what an application opens on a bucket.
    """
    return S3Store(
        bucket,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="testing",
        secret_access_key="testing",  # noqa: S106 - the server checks none
        virtual_hosted_style_request=False,
        # The server takes its time where a gigabyte becomes one object.
        client_options={"allow_http": True, "timeout": "120s"},
        retry_config={
            "max_retries": max_retries,
            "backoff": {"init_backoff": timedelta(milliseconds=5)},
        },
    )


class BucketPlace(ObjectArtifactPlace):
    """
    A bucket, and what its owner would pay for without seeing it.
    """

    def __init__(self, endpoint: str, bucket: str) -> None:
        super().__init__(s3_store(endpoint, bucket))
        self._url = f"{endpoint}/{bucket}?uploads"

    async def leftovers(self) -> int:
        """
        Count uploads, those that are not complete too.
        """
        async with httpx.AsyncClient() as client:
            listed = (await client.get(self._url)).raise_for_status()
        return await super().leftovers() + listed.text.count("<UploadId>")


@pytest.fixture
def artifact_store_backend(s3_endpoint: str, bucket: str) -> BucketPlace:
    """
    Return a bucket of the test's own.
    """
    return BucketPlace(s3_endpoint, bucket)
