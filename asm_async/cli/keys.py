"""
The keys of a database that is encrypted, and ``asm keys``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from asm_async.cli.options import KEYS_VARIABLE, MASTER_KEYS_FILE_VARIABLE, Options
from asm_async.cli.streams import print_output
from asm_async.errors import ValidationError

if TYPE_CHECKING:
    from asm_async.encryption import KeyRing


def key_ring(options: Options) -> KeyRing | None:
    """
    Return the data keys of the database; None if it has none.

    Raises:
        ValidationError: If the key directory or the master keys are not there.

        MissingDependencyError: If the extra ``encryption`` is not installed.
    """
    if options.keys is None:
        return None
    # Not before it is needed: most databases are not encrypted.
    from asm_async import encryption  # noqa: PLC0415 - said above

    check_directory(options.keys, "--keys", KEYS_VARIABLE, "the data keys")
    path = os.environ.get(MASTER_KEYS_FILE_VARIABLE)
    provider = (
        encryption.LocalKeyProvider.from_file(path)
        if path
        else encryption.LocalKeyProvider.from_environment()
    )
    return encryption.KeyRing(encryption.DirectoryKeyStore(options.keys), provider)


def check_directory(path: str, option: str, variable: str, content: str) -> None:
    """
    Refuse a directory that is not there, instead of making one.

    Raises:
        ValidationError: Naming it, the option, and what should be in it.
    """
    if not os.path.isdir(path):  # noqa: PTH112 - a word on the command line
        raise ValidationError(
            f"{path}: there is no such directory; {option}, or the variable"
            f" {variable}, names that of {content}"
        )


def print_master_key(name: str, /) -> None:
    """
    Print a new master key.

    It needs the extra "encryption". Put the line into a file that only you may read,
    and name that in ASM_MASTER_KEYS_FILE, or put it into the variable ASM_MASTER_KEYS.
    Keep a copy apart from all data: without it, everything is lost.

    Args:
        name: A name for it, such as the date: letters, digits, _ and -.
    """
    from asm_async import encryption  # noqa: PLC0415 - it needs an extra

    print_output(encryption.new_master_key(name))
