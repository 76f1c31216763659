"""
The vectors of the format: what each value is bound to, and what is stored for it.

``python -m tests.encryption.vectors`` writes them again.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from asm_async.coded import CodedValue
from asm_async.encryption.artifact_store import EncryptingArtifactStore
from asm_async.encryption.coder import EncryptingCoder
from asm_async.encryption.key_providers import LocalKeyProvider
from asm_async.encryption.key_records import KeyRecord
from asm_async.encryption.key_ring import KeyRing
from asm_async.encryption.key_stores import InMemoryKeyStore
from asm_async.encryption.owners import KeyOwner
from asm_async.encryption.sealed_fields import place_of
from asm_async.encryption.seals import KeyId
from asm_async.memory import (
    InMemoryArtifactStore,
    InMemoryDatabase,
    InMemorySessionStore,
)
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event, EventType
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import StateItem

PATH = Path(__file__).with_name("vectors.json")

MASTER_KEY = bytes(range(64))
DATA_KEY = bytes(range(255, 191, -1))

_NOON = datetime(2026, 1, 2, 12, 0, 0, 345678, tzinfo=UTC)
_SESSION = Session(
    id="ses_1",
    tenant_id="acme",
    user_id="ana",
    agent_id="assistant",
    status=SessionStatus.ACTIVE,
    metadata={"title": "Flüge"},
    context={"prompt": "Be brief."},
    tags=("b", "a"),
    created_at=_NOON,
    updated_at=_NOON,
)
VALUES: Mapping[str, CodedValue] = MappingProxyType(
    {
        "event": Event(
            id="evt_1",
            type=EventType.MESSAGE_SENT,
            timestamp=_NOON,
            session_id="ses_1",
            run_id="run_1",
            data={"content": "Grüße 🌍", "n": 1.0},
            metadata={"k": [True, None]},
            provider="anthropic",
            correlation_id="trace_1",
        ),
        "event of an own type, with nothing in it": Event(
            id="evt_2",
            type="myapp.plan_revised",
            timestamp=_NOON + timedelta(microseconds=1),
            session_id="ses_1",
            schema_version=2,
        ),
        "session": _SESSION,
        "session without context": Session(
            id="ses_2",
            agent_id="assistant",
            status=SessionStatus.PENDING,
            created_at=_NOON,
            updated_at=_NOON,
        ),
        "run": Run(
            id="run_1",
            session_id="ses_1",
            status=RunStatus.FAILED,
            input="hello",
            output=None,
            error={"message": "it broke"},
            metadata={"a": 1},
            turn_count=3,
            token_usage={"input_tokens": 10, "output_tokens": 20},
            started_at=_NOON,
            ended_at=_NOON + timedelta(seconds=1),
            provider="openai",
            provider_metadata={"model": "gpt-5", "id": "resp_1"},
            cost_usd=0.25,
        ),
        "item": StateItem(
            scope="app/ses_1", key="memory", data=[1, "x"], session_id="ses_1"
        ),
        "item with a content": StateItem(
            scope="app", key="blob", data=None, content=b"\x00\xff bytes"
        ),
        "item with an empty content": StateItem(scope="app", key="empty", content=b""),
        "artifact": Artifact(
            id="art_1",
            session_id="ses_1",
            run_id="run_1",
            key="report.md",
            content_type="text/markdown",
            byte_size=5,
            checksum_sha256="2cf24dba5fb0a30e26e83b2ac5b9e29e"
            "1b161e5c1fa7425e73043362938b9824",
            storage_backend="local",
            storage_ref="2c/2cf2",
            metadata={"author": "Ana"},
            created_at=_NOON,
        ),
    }
)

# Contents, and how often each is repeated: none, some bytes, and two segments.
CONTENTS = ((b"", 1), (b"hello", 1), (b"\x00\x01", (1 << 15) + 1))


async def vectors() -> dict[str, Any]:
    """
    Encrypt each value, with one key for all, and describe what was done.
    """
    provider = LocalKeyProvider({"m1": MASTER_KEY})
    store = InMemoryKeyStore()
    owners: dict[str, KeyOwner] = {}
    for value in VALUES.values():
        session_id = getattr(value, "session_id", None)
        if isinstance(value, Session):
            session_id = value.id
        owner = (
            KeyOwner.scope(getattr(value, "scope", ""))
            if session_id is None
            else KeyOwner.session(session_id)
        )
        owners[owner.name] = owner
    wrapped: dict[str, str] = {}
    for name, owner in owners.items():
        key_id = str(KeyId(name, 1))
        wrapped[key_id] = await provider.wrap(DATA_KEY, key_id)
        record = KeyRecord(owner=owner, keys=((1, wrapped[key_id]),))
        await store.write(name, record.encoded(), expected_version=None)
    sessions = InMemorySessionStore(InMemoryDatabase())
    keys = KeyRing(store, provider)
    coder = EncryptingCoder(keys, sessions)
    encoded = await coder.encode(list(VALUES.values()))
    return {
        "master_key": MASTER_KEY.hex(),
        "data_key": DATA_KEY.hex(),
        "owners": [
            {
                "kind": owner.kind,
                "id": owner.id,
                "tenant_id": owner.tenant_id,
                "name": name,
                "wrapped_key": wrapped[str(KeyId(name, 1))],
            }
            for name, owner in owners.items()
        ],
        "values": [
            {
                "name": name,
                "value": value.to_dict(),
                "bound_to": place_of(
                    value,
                    getattr(value, "session_id", None),
                    getattr(value, "scope", ""),
                ).decode(),
                "stored": stored.to_dict(),
            }
            for (name, value), stored in zip(VALUES.items(), encoded, strict=True)
        ],
        "artifact_contents": [
            await _content_vector(keys, content, times) for content, times in CONTENTS
        ],
    }


async def _content_vector(keys: KeyRing, content: bytes, times: int) -> dict[str, Any]:
    behind = InMemoryArtifactStore()
    store = EncryptingArtifactStore(behind, keys=keys).for_session("ses_1")
    put = await store.put(content * times)
    return {
        "content": content.hex(),
        "times": times,
        "checksum": put.checksum_sha256,
        "stored": base64.b64encode(await behind.get(put.checksum_sha256)).decode(),
    }


if __name__ == "__main__":
    text = json.dumps(asyncio.run(vectors()), indent=2, ensure_ascii=True)
    PATH.write_text(f"{text}\n", encoding="ascii")
