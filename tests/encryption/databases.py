"""
A database that holds what is encrypted, and its keys.
"""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from asm_async import Ports
from asm_async.encryption import InMemoryKeyStore, encrypted_ports
from asm_async.sql import SQLPorts
from tests.encrypted_ports import key_ring

__all__ = ["Encrypted"]


@attrs.frozen
class Encrypted:
    """
    A database, the ports that encrypt what goes into it, and its keys.
    """

    raw: SQLPorts
    key_store: InMemoryKeyStore = attrs.field(factory=InMemoryKeyStore)

    def ports(self, *, per_user: bool = False, allow_plaintext: bool = False) -> Ports:
        """
        Return ports that encrypt, with a ring of their own as another process has.
        """
        keys = key_ring(self.key_store, per_user=per_user)
        return encrypted_ports(self.raw, keys=keys, allow_plaintext=allow_plaintext)

    async def execute(self, statement: sa.Update) -> int:
        """
        Change the database behind the library's back; return how many rows.
        """
        async with self.raw.engine.begin() as conn:
            return (await conn.execute(statement)).rowcount
