"""
A commit whose outcome is looked into if it is not known at first.
"""

from __future__ import annotations

import logging
from functools import partial

from asm_async.errors import StorageError
from asm_async.ports.session_committer import ExpectedRevisions
from asm_async.ports.session_store import SessionStore
from asm_async.values import fields
from asm_async.values.changes import Changes, Committed
from asm_async.values.ids import new_operation_id

_LOG = logging.getLogger(__name__)


def checked_store(store: object) -> SessionStore:
    """
    Accept a session store.

    Raises:
        ValidationError: If it is none, such as ports where their store is meant.
    """
    if not isinstance(store, SessionStore):
        raise fields.unexpected("store", "a SessionStore", store)
    return store


async def commit_repeatedly(
    store: SessionStore,
    changes: Changes,
    *,
    expected_sequence: int | None = None,
    expected_revision: int | None = None,
    expected_revisions: ExpectedRevisions | None = None,
    expected_tenant: str | None = None,
) -> Committed:
    """
    Commit *changes*, and once more as the same operation if the outcome is unknown.
    """
    commit = partial(
        store.commit,
        changes,
        expected_sequence=expected_sequence,
        expected_revision=expected_revision,
        expected_revisions=expected_revisions,
        expected_tenant=expected_tenant,
        operation_id=new_operation_id(),
    )
    try:
        return await commit()
    except StorageError as error:
        if not error.outcome_unknown:
            raise
        _LOG.debug("a commit of unknown outcome is repeated: %s", error.code)
        return await commit()
