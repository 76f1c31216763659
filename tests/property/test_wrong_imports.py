"""
Whatever is changed in an export, every adapter makes the same of it.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async.ports.query_api import QueryAPI
from asm_async.testing.query_api.contract import QueryAPIContract
from tests.effort import examples
from tests.property.wrong_imports import WrongImports


class TestWrongImports(QueryAPIContract):
    """
    An export is taken whole, or refused where it is wrong.
    """

    @pytest.fixture
    async def wrong_imports(self, query_api: QueryAPI) -> WrongImports:
        """
        Return what imports into each database in turn, and into one in memory.
        """
        return WrongImports(query_api)

    @settings(
        max_examples=examples(80),
        # All examples of a test share a database, as all callers do.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
        ],
    )
    @given(data=st.data())
    async def test_a_changed_export_is_refused_alike(
        self, wrong_imports: WrongImports, data: st.DataObject
    ) -> None:
        """
        Class, code and message are the same, and so is what is stored afterwards.
        """
        await wrong_imports.check(data)
