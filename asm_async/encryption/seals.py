"""
One sealed text: how it is encrypted, and what is written in its place.

``docs/reference/encryption-format.md`` specifies it.
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.errors import TamperedError

SEALED = "asm.encrypted"
"""
The only member of a JSON object that stands in the place of what is encrypted.
"""

ERASED = "asm.erased"
"""
The member, with the value true, that readers are shown in place of what is erased.
"""

KEY_BYTES = 64
"""
The length of a data key: AES-256 in SIV mode (RFC 5297) takes two keys of 256 bits.
"""

SIV_BYTES = 16
"""
The length of the synthetic initialization vector, which authenticates all of it.
"""

_SEALED_TEXT = re.compile(r"v1\.([a-z2-7]{26})\.([1-9][0-9]{0,8})\.(.+)", re.ASCII)


class KeyId(NamedTuple):
    """
    Which data key something is encrypted with.
    """

    owner: str
    """
    The name of the key's owner.
    """

    number: int
    """
    Which of the owner's keys: 1, 2, 3 and so on.
    """

    def __str__(self) -> str:
        return f"{self.owner}.{self.number}"


class SealedText(NamedTuple):
    """
    What stands in the place of an encrypted text, taken apart.
    """

    key_id: KeyId
    ciphertext: bytes

    @classmethod
    def of(cls, text: object, subject: str) -> SealedText:
        """
        Take apart what :func:`seal` returned.

        Raises:
            TamperedError: If *text* is nothing of the kind; *subject* is what it says
                was tampered with.
        """
        match = _SEALED_TEXT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise TamperedError(
                "it has not the form of what is encrypted", subject=subject
            )
        try:
            ciphertext = binascii.a2b_base64(match[3], strict_mode=True)
        except (binascii.Error, ValueError):
            raise TamperedError("it is not Base64", subject=subject) from None
        return cls(KeyId(match[1], int(match[2])), ciphertext)


def seal(cipher: AESSIV, key_id: KeyId, text: bytes, bound: bytes) -> str:
    """
    Encrypt *text*, which is not empty; the same arguments give the same result.

    Args:
        cipher: The data key, ready to be used.

        key_id: Which key it is.

        text: What to encrypt.

        bound: What is authenticated with it: the place that it is written to.
    """
    ciphertext = cipher.encrypt(text, [str(key_id).encode(), bound])
    encoded = binascii.b2a_base64(ciphertext, newline=False).decode()
    return f"v1.{key_id.owner}.{key_id.number}.{encoded}"


def unseal(cipher: AESSIV, sealed: SealedText, bound: bytes, subject: str) -> bytes:
    """
    Decrypt what :func:`seal` encrypted.

    Raises:
        TamperedError: If anything of it was altered, or it was written elsewhere.
    """
    try:
        return cipher.decrypt(sealed.ciphertext, [str(sealed.key_id).encode(), bound])
    except (InvalidTag, ValueError):
        # Of what is shorter than its tag, the library says that by a ValueError.
        raise TamperedError(
            "it was altered, cut, or belongs to another place", subject=subject
        ) from None
