"""
A copy of a session reads what it took along, whatever becomes of its source.
"""

from __future__ import annotations

import attrs
import pytest
import sqlalchemy as sa

from asm_async.encryption import KeyOwner
from asm_async.errors import ConflictError, TamperedError
from asm_async.sql.core import tables
from asm_async.testing.factories import make_event, make_events, make_item, make_session
from tests.encrypted_ports import key_ring
from tests.encryption.databases import Encrypted


@pytest.mark.parametrize("per_user", [False, True])
async def test_a_copy_of_a_copy_reads_all_that_it_took_along(
    encrypted: Encrypted,
    per_user: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    """
    Events and items of each origin, and its own; with the source's key dropped, too.
    """
    ports = encrypted.ports(per_user=per_user)
    user = "ann" if per_user else None
    for source, target in (("a", "b"), ("b", "c")):
        if source == "a":
            await ports.store.save_session(make_session(id="a", user_id=user))
        await ports.store.append_event(
            make_event(id=f"of_{source}", session_id=source, data={"content": source})
        )
        await ports.state.save_items(
            [
                make_item(scope=scope, key=source, data=source, session_id=source)
                for scope in (source, f"{source}/deep", f"memory-{source}")
            ]
        )
        await ports.store.copy_session(
            source,
            make_session(id=target, user_id=user),
            scopes={f"memory-{source}": f"memory-{target}"},
        )
    await ports.store.append_event(
        make_event(id="of_c", session_id="c", data={"content": "c"})
    )
    if not per_user:
        await key_ring(encrypted.key_store).drop(KeyOwner.session("a"))
        assert (await ports.store.get_events("a"))[0].data == {"asm.erased": True}

    for reader in (ports, encrypted.ports(per_user=per_user)):
        events = await reader.store.get_events("c")
        assert [event.data["content"] for event in events] == ["a", "b", "c"]
        for scope in ("c", "c/deep", "memory-c"):
            items = await reader.state.list_items(scope)
            assert [item.data for item in items] == ["a", "b"]


async def test_a_session_that_is_no_copy_lends_nothing(encrypted: Encrypted) -> None:
    """
    An event of another session is refused in it, and so is a copy onto it.
    """
    ports = encrypted.ports()
    for session_id in ("a", "b"):
        await ports.store.save_session(make_session(id=session_id))
        await ports.store.append_events(make_events(2, session_id=session_id))
    with pytest.raises(ConflictError):
        await ports.store.copy_session("a", make_session(id="b"))
    assert len(await ports.store.get_events("b")) == 2

    (event, _) = await encrypted.raw.store.get_events("a")
    table = tables.events
    place = (table.c.session_id == "b") & (table.c.id == event.id)
    moved = attrs.asdict(event)["data"]
    assert await encrypted.execute(sa.update(table).where(place).values(data=moved))
    with pytest.raises(TamperedError, match="of session 'b'"):
        await ports.store.get_events("b")
