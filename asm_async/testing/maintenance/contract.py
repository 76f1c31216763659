"""
What all parts of the suite stand on: a store that is written to, and maintenance.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest_asyncio

from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import MaintenanceBackend
from asm_async.testing.factories import NOON, make_event, make_session
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.event import EventType
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session

__all__ = [
    "MaintenanceContract",
    "days_ago",
    "make_policy",
    "save_as_active",
    "store_log",
]


def make_policy(**fields: Any) -> RetentionPolicy:
    """
    Make a policy that asks for nothing but what is given.
    """
    nothing: dict[str, Any] = {
        "max_completed_session_age_days": None,
        "hard_delete_after_days": None,
    }
    return RetentionPolicy(**(nothing | fields))


def days_ago(days: float) -> Any:
    """
    Return the time so many days before the maintenance's clock.
    """
    return NOON - timedelta(days=days)


async def save_as_active(
    store: SessionStore, backend: MaintenanceBackend, session: Session
) -> None:
    """
    Store *session*, last written to when it says; now, if it does not.
    """
    await store.save_session(session)
    if session.last_activity_at is not None:
        await backend.set_last_activity(session.id, session.last_activity_at)


async def store_log(
    store: SessionStore, types: Iterable[EventType | str], **fields: Any
) -> Session:
    """
    Store a session with an event of each of *types*, in order.

    Args:
        store: Where.

        types: The events' types.

        fields: What shall be otherwise in the session.
    """
    session = await store.save_session(make_session(**fields))
    await store.append_events(
        [
            make_event(id=f"evt_{number}", type=type_, session_id=session.id)
            for number, type_ in enumerate(types, start=1)
        ]
    )
    return session


class MaintenanceContract(SessionStoreContract):
    """
    One part of the suite; its ``backend`` is a :class:`MaintenanceBackend`.
    """

    @pytest_asyncio.fixture
    async def maintenance(
        self, backend: MaintenanceBackend, open_store: OpenStore
    ) -> Maintenance:
        """
        Open the maintenance that is put to the test; its clock stands at noon.

        It is done with before *open_store* proves that nothing was left behind.
        """
        del open_store
        return await backend.open_maintenance(now=NOON)
