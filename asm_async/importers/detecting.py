"""
Which kind a source is of.
"""

from __future__ import annotations

import asyncio
from itertools import islice

from asm_async.errors import ValidationError
from asm_async.importers.compression import UNREADABLE_ERRORS
from asm_async.importers.files import STANDARD_INPUT, files_of
from asm_async.importers.kinds import KINDS, Kind

AUTO = "auto"
"""
The name of a kind that stands for the one that is found.
"""

_BEGINNING_BYTES = 1 << 16
_MAX_FILES = 50


async def kind_of(path: str) -> Kind:
    """
    Return the kind that a source looks as if it were of.

    Args:
        path: A file, of which the beginning is read; a folder, of which the first 50
            files are looked at; or a URL, which is only looked at itself.

    Raises:
        ValidationError: If it looks like none, or is standard input.

        NotFoundError: If there is no such file or folder.
    """
    if path == STANDARD_INPUT:
        raise ValidationError("kind: standard input can be of any; name it")
    is_url = "://" in path
    beginnings = [(path, b"")] if is_url else await asyncio.to_thread(_beginnings, path)
    importers = [(kind, kind.load()) for kind in KINDS.values()]
    for name, beginning in beginnings:
        for kind, importer in importers:
            if importer.recognises(name, beginning):
                return kind
    raise ValidationError(
        f"{path}: it looks like none of {', '.join(sorted(KINDS))}; name the kind"
    )


def _beginnings(path: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for file in islice(files_of(path, lambda _: True), _MAX_FILES):
        try:
            with file.opened() as opened:
                found.append((str(file.path), opened.read(_BEGINNING_BYTES)))
        except UNREADABLE_ERRORS:
            continue
    return found
