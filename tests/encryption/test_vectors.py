"""
The format is what its page says, computed once more from primitives.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from tests.encryption.vectors import PATH, vectors

VECTORS: dict[str, Any] = json.loads(PATH.read_text(encoding="ascii"))
DATA_KEY = bytes.fromhex(VECTORS["data_key"])


def cmac(key: bytes, data: bytes) -> bytes:
    """
    Return AES-CMAC (RFC 4493).
    """
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def doubled(block: bytes) -> bytes:
    """
    Multiply by x in GF(2**128), as RFC 5297, section 2.3, does.
    """
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number ^= (1 << 128) | 0x87
    return number.to_bytes(16, "big")


def xor(one: bytes, other: bytes) -> bytes:
    """
    Return both, bit by bit.
    """
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def siv_of(key: bytes, components: list[bytes], text: bytes) -> bytes:
    """
    Return S2V (RFC 5297, section 2.4).
    """
    block = cmac(key, bytes(16))
    for component in components:
        block = xor(doubled(block), cmac(key, component))
    if len(text) >= 16:
        last = text[:-16] + xor(text[-16:], block)
    else:
        last = xor(doubled(block), (text + b"\x80").ljust(16, b"\0"))
    return cmac(key, last)


def opened(key: bytes, sealed: bytes, components: list[bytes]) -> bytes:
    """
    Decrypt by AES-SIV (RFC 5297, section 2.7).
    """
    siv, ciphertext = sealed[:16], sealed[16:]
    counter = bytearray(siv)
    counter[8] &= 0x7F
    counter[12] &= 0x7F
    half = len(key) // 2
    decryptor = Cipher(
        algorithms.AES(key[half:]), modes.CTR(bytes(counter))
    ).decryptor()
    text = decryptor.update(ciphertext) + decryptor.finalize()
    assert siv_of(key[:half], components, text) == siv
    return text


def test_the_reference_itself_is_that_of_the_rfc() -> None:
    """
    The example of RFC 5297, appendix A.1.
    """
    key = bytes.fromhex(
        "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
    )
    data = bytes.fromhex("101112131415161718191a1b1c1d1e1f2021222324252627")
    sealed = bytes.fromhex(
        "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"
    )
    text = opened(key, sealed, [data])
    assert text == bytes.fromhex("112233445566778899aabbccddee")


async def test_the_vectors_are_what_is_stored() -> None:
    """
    Each value gives the same bytes as ever.
    """
    assert await vectors() == VECTORS


def test_owners_are_named_as_the_format_says() -> None:
    """
    By 128 bits of SHA-256 in Base32; and their keys wrapped by the master key.
    """
    master = bytes.fromhex(VECTORS["master_key"])
    for owner in VECTORS["owners"]:
        array = ["asm.key-owner", owner["kind"], owner["tenant_id"], owner["id"]]
        digest = hashlib.sha256(json.dumps(array, separators=(",", ":")).encode())
        name = base64.b32encode(digest.digest()[:16]).decode().strip("=").lower()
        assert name == owner["name"]
        master_name, _, encoded = owner["wrapped_key"].partition(".")
        assert master_name == "m1"
        bound = [f"{name}.1".encode()]
        assert opened(master, base64.b64decode(encoded), bound) == DATA_KEY


def test_values_are_decrypted_as_the_format_says() -> None:
    """
    From their stored form, what they are bound to, and the key alone.
    """
    for vector in VECTORS["values"]:
        value, stored, bound = vector["value"], vector["stored"], vector["bound_to"]
        kind = json.loads(bound)[0]
        holder = "data" if kind in {"event", "item"} else "metadata"
        members = json.loads(unsealed(stored[holder]["asm.encrypted"], bound.encode()))
        names = {
            "event": ["data", "metadata"],
            "session": ["metadata"],
            "run": ["metadata", "input", "output", "error", "provider_metadata"],
            "artifact": ["metadata"],
            "item": ["data"],
        }[kind]
        assert members[: len(names)] == [value[name] for name in names]
        if kind == "session" and value["context"]:
            sealed = stored["context"]["asm.encrypted"]
            assert members[1] == sealed.split(".")[3][:24]
            text = unsealed(sealed, b"context" + bound.encode())
            assert json.loads(text) == value["context"]
        if kind == "item":
            assert (
                opened_content(members[1], stored["content"], bound)
                == (value["content"])
            )


def test_contents_are_decrypted_as_the_format_says() -> None:
    """
    Segment by segment, with the last one marked.
    """
    for vector in VECTORS["artifact_contents"]:
        content = bytes.fromhex(vector["content"])
        stored = base64.b64decode(vector["stored"])
        line, _, rest = stored.partition(b"\n")
        found, number = b"", 0
        while rest:
            segment, rest = rest[: 16 + 1 + 65536], rest[16 + 1 + 65536 :]
            index = number.to_bytes(8, "big")
            text = opened(DATA_KEY, segment, [line + b"\n", index])
            assert text[:1] == (b"\0" if rest else b"\1")
            found, number = found + text[1:], number + 1
        assert found == content * vector["times"]
        assert hashlib.sha256(stored).hexdigest() == vector["checksum"]


def unsealed(sealed: str, bound: bytes) -> bytes:
    """
    Decrypt a sealed text.
    """
    version, name, number, encoded = sealed.split(".")
    assert version == "v1"
    key_id = f"{name}.{number}".encode()
    return opened(DATA_KEY, base64.b64decode(encoded), [key_id, bound])


def opened_content(siv: str | None, stored: str | None, bound: str) -> str | None:
    """
    Decrypt an item's content, both in Base64.
    """
    if not siv:
        assert (stored is None) == (siv is None)
        return stored
    assert stored is not None
    sealed = base64.b64decode(siv) + base64.b64decode(stored)
    text = opened(DATA_KEY, sealed, [b"content", bound.encode()])
    return base64.b64encode(text).decode()
