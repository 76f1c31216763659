"""
What proves that an adapter keeps its promises.

Contract suites, factories and strategies, a checker of histories and a state machine.

Needs the tools of the extra ``test``: pytest, pytest-asyncio and Hypothesis.
"""

import pytest

__all__: list[str] = []

# pytest rewrites the assertions of modules named test_*; those of the suites would fail
# without showing a single value.
pytest.register_assert_rewrite(
    "asm_async.testing.artifacts",
    "asm_async.testing.event_feed",
    "asm_async.testing.maintenance",
    "asm_async.testing.query_api",
    "asm_async.testing.recording",
    "asm_async.testing.session_store",
    "asm_async.testing.state_store",
    "asm_async.testing.text_search",
)
