"""
The ports that a command works with: what is stored, as applications see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from asm_async.cli.keys import check_directory, key_ring
from asm_async.cli.options import LARGE_DATA_VARIABLE, Options
from asm_async.files import LocalArtifactStore
from asm_async.ports.together import Ports

if TYPE_CHECKING:
    from asm_async.ports.artifact_store import ArtifactStore


def decoding_ports(options: Options, ports: Ports) -> Ports:
    """
    Return ports that decrypt, if there are keys, and give large data back.

    What is stored unencrypted is shown as it is.

    Raises:
        ValidationError: If a directory or the master keys are not there.

        MissingDependencyError: If the extra ``encryption`` is not installed.
    """
    keys, directory = key_ring(options), options.large_data
    if keys is not None:
        from asm_async.encryption import encrypted_ports  # noqa: PLC0415 - an extra

        ports = encrypted_ports(ports, keys=keys, allow_plaintext=True)
    if directory is None:
        return ports
    from asm_async.artifacts import large_data  # noqa: PLC0415 - it is rarely needed

    what = "large data"
    check_directory(directory, "--large-data", LARGE_DATA_VARIABLE, what)
    contents: ArtifactStore = LocalArtifactStore(directory)
    if keys is not None:
        from asm_async.encryption import EncryptingArtifactStore  # noqa: PLC0415 - same

        contents = EncryptingArtifactStore(contents, keys=keys)
    # The index was built of what is stored, not of what these ports decode.
    whole = large_data(ports, contents=contents)
    return attrs.evolve(whole, text_search=ports.text_search)
