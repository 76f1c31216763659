"""
Master keys in AWS KMS.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from typing import Any, Protocol

from asm_async.encryption.key_providers import KeyProvider
from asm_async.errors import DecryptionError, StorageUnavailableError

# What it says of a key that can never unwrap this; all else may pass.
_NEVER = frozenset(
    {
        "InvalidCiphertextException",
        "IncorrectKeyException",
        "NotFoundException",
        "KMSInvalidStateException",
        "DisabledException",
    }
)


class KMSClient(Protocol):
    """
    What is used of boto3's client ``kms``, which several threads may call.
    """

    def encrypt(self, **arguments: Any) -> Mapping[str, Any]:
        """
        Encrypt up to 4,096 bytes.
        """
        ...

    def decrypt(self, **arguments: Any) -> Mapping[str, Any]:
        """
        Decrypt what was encrypted.
        """
        ...


class AWSKeyProvider(KeyProvider):
    """
    Has AWS KMS wrap and unwrap data keys, so that the master key never leaves it.

    A data key's id is the encryption context, which KMS authenticates and logs. KMS
    rotates its key by itself, and unwraps what was wrapped before. To take another key,
    make a provider of the new one and call ``KeyRing.rewrap``.

    Args:
        client: boto3's client, ``boto3.client("kms")``; its calls run in threads.

        key_id: The key's id, ARN or alias.
    """

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    async def wrap(self, key: bytes, bound: str) -> str:
        """
        Call ``Encrypt``.

        Raises:
            StorageUnavailableError: If KMS cannot be reached, or refuses.
        """
        try:
            answer = await asyncio.to_thread(
                self._client.encrypt,
                KeyId=self._key_id,
                Plaintext=key,
                EncryptionContext={"asm.key": bound},
            )
        except Exception as error:
            raise _unavailable(error) from error
        return (
            f"{answer['KeyId']}.{base64.b64encode(answer['CiphertextBlob']).decode()}"
        )

    async def unwrap(self, wrapped: str, bound: str) -> bytes:
        """
        Call ``Decrypt``, with the key that has wrapped it.

        Raises:
            DecryptionError: If that key cannot, now or ever.

            StorageUnavailableError: If KMS cannot be reached, or refuses.
        """
        key_id, _, encoded = wrapped.rpartition(".")
        subject = f"data key {bound}"
        try:
            blob = base64.b64decode(encoded, validate=True)
            answer = await asyncio.to_thread(
                self._client.decrypt,
                KeyId=key_id,
                CiphertextBlob=blob,
                EncryptionContext={"asm.key": bound},
            )
        except binascii.Error:
            raise DecryptionError("it was altered", subject=subject) from None
        except Exception as error:
            if _code(error) not in _NEVER:
                raise _unavailable(error) from error
            raise DecryptionError(
                f"AWS KMS refuses to unwrap it: {_code(error)}", subject=subject
            ) from error
        key: bytes = answer["Plaintext"]
        return key

    def is_current(self, wrapped: str) -> bool:
        """
        Return whether the key of this provider has wrapped it; of an alias, False.
        """
        return wrapped.rpartition(".")[0].endswith(self._key_id)


def _code(error: Exception) -> str:
    # Of botocore's ClientError, which is not imported: the client is the caller's.
    response: Any = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", type(error).__name__))


def _unavailable(error: Exception) -> StorageUnavailableError:
    return StorageUnavailableError(f"AWS KMS cannot be used: {_code(error)}")
