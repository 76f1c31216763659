"""
What all parts of the suites stand on: registries and stores, and nothing left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import ClassVar

import pytest
import pytest_asyncio

from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.testing.backend import ArtifactRegistryBackend, ArtifactStoreBackend
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract

__all__ = ["ArtifactRegistryContract", "ArtifactStoreContract"]


class ArtifactRegistryContract(SessionStoreContract):
    """
    One part of a registry's suite; it needs the fixture ``backend``.
    """

    @pytest_asyncio.fixture
    async def registry(
        self, backend: ArtifactRegistryBackend, open_store: OpenStore
    ) -> ArtifactRegistry:
        """
        Open the registry that is put to the test.

        It is done with before *open_store* proves that nothing was left behind.
        """
        del open_store
        return await backend.open_artifact_registry()


class ArtifactStoreContract:
    """
    One part of a store's suite; it needs the fixture ``artifact_store_backend``.
    """

    pytestmark: ClassVar[list[pytest.MarkDecorator]] = [pytest.mark.asyncio]

    @pytest_asyncio.fixture
    async def artifact_store(
        self, artifact_store_backend: ArtifactStoreBackend
    ) -> AsyncGenerator[ArtifactStore]:
        """
        Open the store that is put to the test; prove afterwards that it left nothing.

        However the test treated it, there is no unfinished file and no task.
        """
        yield await artifact_store_backend.open_artifact_store()
        assert await artifact_store_backend.leftovers() == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
