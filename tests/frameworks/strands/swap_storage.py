"""
Puts our storage in the place of those that Strands has, for its own tests.
"""

from __future__ import annotations

import os
import uuid
from typing import Any

import strands.storage
import strands.storage.in_memory_storage
import strands.storage.local_file_storage
import strands.storage.storage

from asm_async import InMemoryPorts
from asm_async.integrations.strands import AsmStorage
from asm_async.portal import Portal, open_portal

URL = os.environ.get("ASM_SUITE_URL")
PORTAL = open_portal(URL, migrate=True) if URL else Portal(InMemoryPorts)


class LocalFileStorage(AsmStorage):
    """
    One storage for each folder, as with files.
    """

    def __init__(self, base_dir: str = "./.strands/", **options: Any) -> None:
        super().__init__(PORTAL.ports, name=f"files {base_dir}", **options)


class InMemoryStorage(AsmStorage):
    """
    A storage for each instance, which says of itself what one in memory says.
    """

    _ephemeral = strands.storage.storage._EPHEMERAL

    def __init__(self, **options: Any) -> None:
        super().__init__(PORTAL.ports, name=f"memory {uuid.uuid4()}", **options)

    def clear(self) -> None:
        """
        Remove everything, as only the storage in memory can.
        """
        state = PORTAL.ports.state
        PORTAL.call(lambda: state.delete_items(self._scope, prefix=self._prefix))


def pytest_configure() -> None:
    """
    Swap the classes before any test imports them.
    """
    places: dict[Any, list[type[AsmStorage]]] = {
        strands.storage: [InMemoryStorage, LocalFileStorage],
        strands.storage.in_memory_storage: [InMemoryStorage],
        strands.storage.local_file_storage: [LocalFileStorage],
    }
    for place, classes in places.items():
        for each in classes:
            setattr(place, each.__name__, each)


def pytest_unconfigure() -> None:
    """
    Close the portal.
    """
    PORTAL.close()
