"""
A log that is listened to, and searched for what must not be in it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.integration.logs.planted import HUSH, Listener


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """
    Listen to all that the package logs; in the end nothing that was stored is in it.
    """
    secrets = {HUSH}
    for name in {"url", "migrated_postgres_url"} & set(request.fixturenames):
        password = sa.make_url(str(request.getfixturevalue(name))).password
        secrets |= {str(password)} if password else set()
    logger, listener = logging.getLogger("asm_async"), Listener()
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(listener)
    yield listener
    logger.removeHandler(listener)
    logger.setLevel(before)
    assert listener.records
    listener.assert_silent_about(*secrets)
