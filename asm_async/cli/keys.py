"""
The keys of a database that is encrypted, and ``asm keys``.
"""

from __future__ import annotations

import os

from asm_async.cli.options import KEYS_VARIABLE, MASTER_KEYS_FILE_VARIABLE, Options
from asm_async.cli.streams import print_output
from asm_async.errors import ValidationError
from asm_async.ports.together import Ports


def through_keys(options: Options, ports: Ports) -> Ports:
    """
    Return the ports that a command works with: encrypting ones, if there are keys.

    What is stored unencrypted is shown as it is.

    Raises:
        ValidationError: If the key directory or the master keys are not there.

        MissingDependencyError: If the extra ``encryption`` is not installed.
    """
    if options.keys is None:
        return ports
    # Not before it is needed: most databases are not encrypted.
    from asm_async import encryption  # noqa: PLC0415 - said above

    if not os.path.isdir(options.keys):  # noqa: PTH112 - a word on the command line
        raise ValidationError(
            f"{options.keys}: there is no such directory; --keys, or the variable"
            f" {KEYS_VARIABLE}, names that of the data keys"
        )
    path = os.environ.get(MASTER_KEYS_FILE_VARIABLE)
    provider = (
        encryption.LocalKeyProvider.from_file(path)
        if path
        else encryption.LocalKeyProvider.from_environment()
    )
    keys = encryption.KeyRing(encryption.DirectoryKeyStore(options.keys), provider)
    return encryption.encrypted_ports(ports, keys=keys, allow_plaintext=True)


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
