"""
Ports that encrypt what goes into others, and decrypt what comes out.
"""

from __future__ import annotations

import attrs

from asm_async.coded import (
    CodedQueryAPI,
    CodedSessionStore,
    CodedStateStore,
    coded_ports,
)
from asm_async.encryption.coder import EncryptingCoder
from asm_async.encryption.key_ring import KeyRing
from asm_async.encryption.maintenance import EncryptingMaintenance
from asm_async.errors import SessionNotFoundError
from asm_async.fronts.copying import SessionCopy
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.session import Session


def encrypted_ports(
    ports: Ports, *, keys: KeyRing, pad_to: int = 1, allow_plaintext: bool = False
) -> Ports:
    """
    Return ports in front of others, that encrypt all that is written, imports too.

    All that is read is decrypted, by followers, searches, exports and archives too; of
    what is erased, by its key or with its session, ids, types and times remain, with
    ``{"asm.erased": true}`` in place of the rest. ``Maintenance.erase`` drops the keys
    first, then it removes.

    Args:
        ports: Where the values go; closed with these.

        keys: As for :class:`EncryptingSessionStore`.

        pad_to: As there.

        allow_plaintext: As there.

    Raises:
        ValidationError: If an argument is wrong.
    """
    ports = fields.instance(ports, "ports", Ports)
    store = EncryptingSessionStore(
        ports.store, keys=keys, pad_to=pad_to, allow_plaintext=allow_plaintext
    )
    coded = coded_ports(ports, store.coder)
    return attrs.evolve(
        coded,
        store=store,
        query=CodedQueryAPI(ports.query, store.coder.for_imports()),
        maintenance=EncryptingMaintenance(ports.maintenance, store.coder),
    )


class EncryptingSessionStore(CodedSessionStore):
    """
    A :class:`~asm_async.ports.session_store.SessionStore` in front of another one.

    The JSON of sessions, runs, events and state items is encrypted before it is
    written, and decrypted after it is read; ids, types, times, statuses, tags, token
    counts, models and costs stay readable, and are authenticated with it. A value that
    was altered, cut or exchanged raises ``TamperedError``.

    Every promise of the port holds as before. The same event is always encrypted in the
    same way, and an event that is stored under an older key is known again.

    To delete a session removes it from the database; its key is dropped some time after
    that, by :func:`drop_unused_keys`, or at once by ``Maintenance.erase``.

    Args:
        store: Where the values go; closed with this one.

        keys: The data keys.

        pad_to: Fill each text with blanks to a multiple of so many bytes, which hides
            its exact length; 1 for none. A call that is repeated with another number
            is a call with other content.

        allow_plaintext: Read what is stored unencrypted as it is, as in a database
            that was begun so. Then anybody who can write to it can add to it unseen.

    Raises:
        ValidationError: If an argument is wrong.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        keys: KeyRing,
        pad_to: int = 1,
        allow_plaintext: bool = False,
    ) -> None:
        if not callable(getattr(store, "append_events", None)):
            raise fields.unexpected("store", "a SessionStore", store)
        self._encrypting = EncryptingCoder(
            keys, store, pad_to=pad_to, allow_plaintext=allow_plaintext
        )
        super().__init__(store, self._encrypting)

    @property
    def coder(self) -> EncryptingCoder:
        """
        What encrypts, for other ports over the same database.
        """
        return self._encrypting

    async def _copy_session(self, copy: SessionCopy) -> Session:
        """
        Lend the copy the keys of what it takes along, then copy.
        """
        try:
            # Nobody is lent the keys of another tenant's session.
            await self.behind.get_session(
                copy.source_id, expected_tenant=copy.expected.expected_tenant
            )
        except SessionNotFoundError:
            return await super()._copy_session(copy)
        try:
            found = await self.behind.get_session(copy.target.id)
        except SessionNotFoundError:
            found = None
        # A session of that id that is no copy keeps its keys, and refuses to be one.
        if found is None or found.parent_session_id == copy.source_id:
            record = attrs.evolve(
                self.coder.record_for(copy.target),
                origin=copy.source_id,
                origin_scopes=tuple((new, old) for old, new in copy.scopes.items()),
            )
            await self.coder.keys.lend(copy.source_id, record)
        return await super()._copy_session(copy)


class EncryptingStateStore(CodedStateStore):
    """
    A :class:`~asm_async.ports.state_store.StateStore` in front of another one.

    The *data* and *content* of items are encrypted; scopes and keys stay readable, and
    are authenticated with them. An item that goes with a session has its key; others
    have one for each scope. Items of the library itself, in scopes that begin with
    ``asm.``, are stored as they are.

    Args:
        state: Where the items go; closed with this one.

        store: The session store over the same database, encrypting or not.

        keys: The data keys.

        pad_to: As for :class:`EncryptingSessionStore`.

        allow_plaintext: As there.

    Raises:
        ValidationError: If an argument is wrong.
    """

    def __init__(
        self,
        state: StateStore,
        store: SessionStore,
        *,
        keys: KeyRing,
        pad_to: int = 1,
        allow_plaintext: bool = False,
    ) -> None:
        coder = EncryptingCoder(
            keys, store, pad_to=pad_to, allow_plaintext=allow_plaintext
        )
        super().__init__(state, coder)
