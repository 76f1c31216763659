"""
Data keys that a server wraps which speaks as AWS KMS does.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from asm_async import InMemoryPorts
from asm_async.encryption import (
    AWSKeyProvider,
    InMemoryKeyStore,
    KeyRing,
    encrypted_ports,
)
from asm_async.errors import DecryptionError, StorageUnavailableError
from asm_async.testing.factories import make_event, make_session


@pytest.fixture
def client() -> Generator[Any]:
    """
    Yield boto3's client of a server of the test's own.
    """
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    made: Any = boto3.client(
        "kms",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - the server checks none
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield made
    finally:
        made.close()
        server.stop()


async def test_a_key_is_wrapped_and_bound_to_its_id(client: Any) -> None:
    """
    Under another id it is refused, as is one that was altered.
    """
    key_id = client.create_key()["KeyMetadata"]["KeyId"]
    provider = AWSKeyProvider(client, key_id)
    key = bytes(range(64))
    wrapped = await provider.wrap(key, "owner.1")

    assert await provider.unwrap(wrapped, "owner.1") == key
    assert provider.is_current(wrapped)
    for refused, bound in ((wrapped, "owner.2"), (wrapped[:-8], "owner.1")):
        with pytest.raises(DecryptionError, match=f"data key {bound} cannot be read"):
            await provider.unwrap(refused, bound)


async def test_another_master_key_takes_over(client: Any) -> None:
    """
    After all keys were wrapped again, the first one may be deleted.
    """
    first, second = (client.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    key_store, raw = InMemoryKeyStore(), InMemoryPorts()
    ports = encrypted_ports(raw, keys=KeyRing(key_store, AWSKeyProvider(client, first)))
    await ports.store.save_session(make_session())
    event = await ports.store.append_event_with_sequence(make_event())

    keys = KeyRing(key_store, AWSKeyProvider(client, second))
    assert await keys.rewrap() == 1
    client.disable_key(KeyId=first)

    keys = KeyRing(key_store, AWSKeyProvider(client, second))
    ports = encrypted_ports(raw, keys=keys)
    assert await ports.store.get_events("ses_1") == [event]


async def test_a_server_that_is_out_of_reach_is_no_erasure(client: Any) -> None:
    """
    The call may be repeated.
    """
    key_id = client.create_key()["KeyMetadata"]["KeyId"]
    wrapped = await AWSKeyProvider(client, key_id).wrap(bytes(64), "owner.1")
    nobody: Any = boto3.client(
        "kms",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - nobody checks it
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )
    provider = AWSKeyProvider(nobody, key_id)
    for call in (provider.wrap(bytes(64), "it"), provider.unwrap(wrapped, "owner.1")):
        with pytest.raises(StorageUnavailableError, match="AWS KMS cannot be used"):
            await call
    nobody.close()
