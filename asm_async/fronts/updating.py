"""
How a value is read, changed and saved, so that no other change to it is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, cast

import attrs

from asm_async.errors import RevisionConflictError, ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.values import fields
from asm_async.values.run import Run
from asm_async.values.session import Session

V = TypeVar("V", Session, Run)


async def update_session(
    store: SessionStore,
    session_id: str,
    change: Callable[[Session], Session],
    expected_tenant: str | None,
    seconds: float,
) -> Session:
    """
    Read a session of a store, and save what *change* makes of it.
    """

    async def save(session: Session, expected_revision: int) -> Session:
        # What is read of a soft-deleted one says so, and saving it is refused.
        return await store.save_session(
            attrs.evolve(session, deleted_at=None),
            expected_revision=expected_revision,
            expected_tenant=expected_tenant,
        )

    read = partial(store.get_session, session_id, expected_tenant=expected_tenant)
    return await _update(read, change, save, seconds)


async def update_run(
    store: SessionStore,
    run_id: str,
    change: Callable[[Run], Run],
    expected_tenant: str | None,
    seconds: float,
) -> Run:
    """
    Read a run of a store, and save what *change* makes of it.
    """
    save = partial(store.save_run, expected_tenant=expected_tenant)
    read = partial(store.get_run, run_id, expected_tenant=expected_tenant)
    return await _update(read, change, save, seconds)


async def _update(
    read: Callable[[], Awaitable[V]],
    change: Callable[[V], V],
    save: Callable[..., Awaitable[V]],
    seconds: float,
) -> V:
    """
    Save what *change* makes of a value, again as long as others save it meanwhile.

    Args:
        read: Reads the value as it is stored.

        change: Makes another value of it, of the same id; the same saves nothing.

        save: Saves it, if the stored one is at the *expected_revision*.

        seconds: How long to begin again.

    Raises:
        ValidationError: If *change* cannot be called, or returns something else.

        RevisionConflictError: If time has run out.
    """
    if not callable(change):
        raise fields.unexpected("change", "a function", change)
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while True:
        stored = await read()
        # Anything may come back from a caller's function.
        changed = cast("object", change(stored))
        if not isinstance(changed, type(stored)):
            expected = f"a function that returns a {type(stored).__name__}"
            raise fields.unexpected("change", expected, changed)
        if changed.id != stored.id:
            raise ValidationError(
                f"change: expected {stored.id!r} back, got {changed.id!r}"
            )
        if changed.has_same_content(stored):
            return stored
        try:
            return await save(changed, expected_revision=stored.revision)
        except RevisionConflictError:
            if clock() >= deadline:
                raise
