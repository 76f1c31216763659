"""
The port through which mutable state is kept beside the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from asm_async.values.state_item import StateItem

MAX_SCOPES_PER_CALL = 1_000
"""
How many scopes and sessions one call may write to, together.

Each costs a lock, as with ``MAX_SESSIONS_PER_BATCH``.
"""

NOTHING_EXPECTED: Mapping[tuple[str, str], int] = MappingProxyType({})
NO_REVISIONS: Mapping[str, int] = MappingProxyType({})


@runtime_checkable
class StateStore(Protocol):
    """
    Records that can be changed, each under a scope and a key, with a revision.

    A scope says whose state it is, and its keys are ordered by code point. The store
    interprets neither: an application or a framework's adapter chooses both.

    **Atomicity.** A call of :meth:`save_items` or :meth:`delete_items` is atomic over
    all its items, and durable when it returns. Calls that wait at the same time may
    share one transaction, with appends and saves of the session store beside them; then
    each still succeeds or is refused by itself. A call that is cancelled before its
    transaction begins is withdrawn; after that the caller waits until the outcome is
    known, at most for the store's timeout, and then the cancellation continues.

    **Revisions.** Each save gives an item a higher revision; they are not consecutive.
    No revision of a scope and key ever has two contents, even after the item, or its
    whole scope, was deleted and came back.

    **Sessions.** An item may name a session, which must be live when it is saved. It is
    removed when that session is hard-deleted, and can be read and deleted while the
    session is only soft-deleted. An item is saved whole: saving it without a session
    removes its former one.

    **Repetition.** The store repeats a call whose outcome is unknown if that is safe:
    if every item that is saved, or every key that is deleted, has an expectation, or
    *keep_existing* is set. Otherwise the error says that it is unknown.

    **Errors.** Every method raises ``ValidationError`` for a bad argument before
    anything is read or written, ``StoreClosedError`` after :meth:`aclose` or from
    another event loop than the one that first used the store, and the family of
    ``StorageError`` if the database fails.
    """

    async def save_items(
        self,
        items: Sequence[StateItem],
        *,
        keep_existing: bool = False,
        expected_revisions: Mapping[tuple[str, str], int] = NOTHING_EXPECTED,
        operation_id: str | None = None,
    ) -> list[StateItem]:
        """
        Insert items, or replace those of their scopes and keys; all of them, or none.

        Args:
            items:
                What to store, no scope and key twice; their own revisions and times are
                ignored. No items are a valid call.

            keep_existing: Do not change items that exist already.

            expected_revisions:
                By scope and key, the revisions that the caller has seen, 0 for "not
                stored"; also of items that the call does not save. Of any number of
                calls that expect the same revision, and save that item or delete it,
                exactly one succeeds.

            operation_id:
                The id of the call, 1 to 255 characters, to repeat it with. If an item
                was saved last by this operation, what is stored is returned unchanged.

        Returns:
            The stored items, in the order of *items*: those of *keep_existing* as they
            were, the others with new revisions.

        Raises:
            SessionNotFoundError: If an item's session does not exist.

            SessionDeletedError: If an item's session is soft-deleted.

            RevisionConflictError: If an expectation is not met, with the actual
                revision.

            ConflictError: If *operation_id* has saved other items.
        """
        ...

    async def get_items(
        self, scope: str, keys: Collection[str]
    ) -> dict[str, StateItem]:
        """
        Return the items of these keys, in their order; those not stored are left out.

        All of them are as they were at one moment.
        """
        ...

    async def list_items(
        self,
        scope: str,
        *,
        prefix: str = "",
        after: str | None = None,
        before: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        with_content: bool = True,
    ) -> list[StateItem]:
        """
        Return the items of a scope in the order of their keys, by code point.

        All of them are as they were at one moment.

        Args:
            scope: The scope.

            prefix: The beginning of the keys; no character has a special meaning.

            after: Only keys after this one, which need not be stored.

            before: Only keys before this one.

            descending: Return the last key first.

            limit: The most to return; None for all.

            with_content: Read *content*, too; it is None otherwise.
        """
        ...

    async def list_session_items(
        self,
        session_id: str,
        *,
        scope: str | None = None,
        prefix: str = "",
        after: tuple[str, str] | None = None,
        limit: int | None = None,
        with_content: bool = True,
        expected_tenant: str | None = None,
    ) -> list[StateItem]:
        """
        Return the items that go with a session, of all scopes, by scope and key.

        All of them are as they were at one moment. A session that does not exist has
        none. Items of the library itself, in scopes that begin with ``asm.``, are left
        out.

        Args:
            session_id: The session.

            scope: Only items of this scope.

            prefix: The beginning of the keys; no character has a special meaning.

            after: Only items after this scope and key, which need not be stored.

            limit: The most to return; None for all.

            with_content: Read *content*, too; it is None otherwise.

            expected_tenant: The tenant that the session must belong to.

        Raises:
            SessionNotFoundError: If *expected_tenant* is given, and that tenant has no
                session of this id.
        """
        ...

    async def delete_items(
        self,
        scope: str,
        *,
        keys: Collection[str] = (),
        prefix: str | None = None,
        expected_revisions: Mapping[str, int] = NO_REVISIONS,
    ) -> int:
        """
        Remove the items of some keys, and those whose keys begin with *prefix*.

        Args:
            scope: The scope.

            keys: Which items; those that are not stored are ignored.

            prefix: Which others; "" for all of the scope.

            expected_revisions: By key, as for :meth:`save_items`; also of items that
                the call does not remove.

        Returns:
            How many items were removed.

        Raises:
            RevisionConflictError: If an expectation is not met, with the actual
                revision.
        """
        ...

    async def delete_scope(self, scope: str) -> None:
        """
        Remove all items that a scope has when the call begins.

        Items that are saved meanwhile stay. A scope of more than a thousand items is
        removed in several transactions, so that no writer waits for all of it; call it
        again if it was interrupted.
        """
        ...

    async def aclose(self) -> None:
        """
        Finish the calls in progress and refuse later ones.

        Closing twice is allowed. An engine that the caller passed in stays open.
        """
        ...
