"""
Master keys, which wrap the data keys: the protocol, and those of an application's own.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.encryption.seals import KEY_BYTES
from asm_async.errors import DecryptionError, ValidationError

MASTER_KEY_VARIABLE = "ASM_MASTER_KEYS"
"""
The environment variable that :meth:`LocalKeyProvider.from_environment` reads.
"""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO


@runtime_checkable
class KeyProvider(Protocol):
    """
    Wraps data keys by a master key, and unwraps them.

    What it raises when it cannot be reached goes to the caller whose call needed the
    key. A key that it refuses to unwrap raises ``DecryptionError``.
    """

    async def wrap(self, key: bytes, bound: str) -> str:
        """
        Encrypt a data key by the present master key.

        Args:
            key: The data key, 64 bytes.

            bound: The id of the data key, to be authenticated with it, so that wrapped
                keys cannot be swapped.

        Returns:
            ASCII text that names the master key, if there may be several.
        """
        ...

    async def unwrap(self, wrapped: str, bound: str) -> bytes:
        """
        Decrypt what :meth:`wrap` returned, by whatever master key it was.

        Raises:
            DecryptionError: If the master key is missing or another one, or *wrapped*
                or *bound* is not what it was.
        """
        ...

    def is_current(self, wrapped: str) -> bool:
        """
        Return whether *wrapped* was wrapped by the present master key.
        """
        ...


class LocalKeyProvider(KeyProvider):
    """
    Master keys that this process holds: the present one, and older ones to unwrap by.

    Args:
        keys: Each 64 bytes, by a name of 1 to 64 letters, digits, ``_`` or ``-``. The
            first is the present one, which wraps; the others only unwrap.

    Raises:
        ValidationError: If there is none, or one has another length or name.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValidationError("keys: expected at least one master key")
        for name, key in keys.items():
            if not _ID.fullmatch(name):
                raise ValidationError(
                    f"keys: expected names of 1 to 64 letters, digits, _ or -,"
                    f" got {name!a}"
                )
            if len(key) != KEY_BYTES:
                raise ValidationError(
                    f"keys[{name!r}]: expected {KEY_BYTES} bytes, got {len(key)}"
                )
        self._ciphers = {name: AESSIV(key) for name, key in keys.items()}
        self._current = next(iter(keys))

    @classmethod
    def from_text(cls, text: str, source: str = "text") -> LocalKeyProvider:
        """
        Read master keys from text: ``name:Base64`` each, by commas or on lines.

        Empty lines, and those that begin with ``#``, are left out. The first is the
        present key. :func:`new_master_key` makes one.

        Args:
            text: The keys.

            source: What errors call it.

        Raises:
            ValidationError: If something else is in it; the error shows nothing of it.
        """
        keys: dict[str, bytes] = {}
        for line in text.replace(",", "\n").splitlines():
            entry = line.strip()
            if not entry or entry.startswith("#"):
                continue
            name, _, encoded = entry.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if len(key) != KEY_BYTES or not _ID.fullmatch(name) or name in keys:
                place = len(keys) + 1
                raise ValidationError(
                    f"{source}: expected name:Base64 of {KEY_BYTES} bytes, each name"
                    f" once; entry {place} is none, as `asm keys new` prints them"
                )
            keys[name] = key
        if not keys:
            raise ValidationError(f"{source}: expected at least one master key")
        return cls(keys)

    @classmethod
    def from_environment(cls, variable: str = MASTER_KEY_VARIABLE) -> LocalKeyProvider:
        """
        Read master keys from an environment variable, as :meth:`from_text` does.

        A process's environment is seen by its owner, by root, and by every child.

        Raises:
            ValidationError: If it is not set, or wrong.
        """
        return cls.from_text(os.environ.get(variable, ""), variable)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> LocalKeyProvider:
        """
        Read master keys from a file that nobody but its owner may read or write.

        Raises:
            ValidationError: If others may read or write it (its mode must be 0600 or
                0400), it is not there, or it is wrong.
        """
        place = Path(path)
        try:
            # Another file may be renamed to this path meanwhile.
            with place.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                content = file.read()
        except OSError as error:
            raise ValidationError(
                f"{place}: cannot be read: {error.strerror or error}"
            ) from error
        if mode & _OTHERS_MAY:
            raise ValidationError(
                f"{place}: others may read or write it (mode {mode:04o}): chmod 600"
            )
        return cls.from_text(content.decode("ascii", "replace"), str(place))

    async def wrap(self, key: bytes, bound: str) -> str:
        """
        Encrypt a data key by AES-SIV, which RFC 5297 recommends for wrapping keys.
        """
        wrapped = self._ciphers[self._current].encrypt(key, [bound.encode()])
        return f"{self._current}.{base64.b64encode(wrapped).decode()}"

    async def unwrap(self, wrapped: str, bound: str) -> bytes:
        """
        Decrypt a data key by the master key that *wrapped* names.
        """
        name, _, encoded = wrapped.partition(".")
        subject = f"data key {bound}"
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise DecryptionError(
                f"it is wrapped by the master key {name!a}, which is not among"
                f" {', '.join(self._ciphers)}",
                subject=subject,
            )
        try:
            ciphertext = base64.b64decode(encoded, validate=True)
            key = cipher.decrypt(ciphertext, [bound.encode()])
        except (InvalidTag, ValueError):
            raise DecryptionError(
                f"the master key {name!a} is another one than it was wrapped by, or"
                " the wrapped key was altered",
                subject=subject,
            ) from None
        return key

    def is_current(self, wrapped: str) -> bool:
        """
        Return whether the first of the keys has wrapped it.
        """
        return wrapped.partition(".")[0] == self._current


def new_master_key(name: str) -> str:
    """
    Return a new random master key as a line of text: ``name:Base64``.

    Raises:
        ValidationError: If *name* is not 1 to 64 letters, digits, ``_`` or ``-``.
    """
    if not _ID.fullmatch(name):
        raise ValidationError(
            f"name: expected 1 to 64 letters, digits, _ or -, got {name!a}"
        )
    return f"{name}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"
