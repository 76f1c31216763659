"""
A session in which a secret stands wherever one can.
"""

from __future__ import annotations

from asm_async import Ports
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_item,
    make_run,
    make_session,
)

__all__ = ["ERASED", "SAID", "tell_secrets"]

SAID = "my number is 555-0100"
ERASED = {"asm.erased": True}


async def tell_secrets(ports: Ports, session_id: str = "ses_1") -> None:
    """
    Store a secret wherever a session of a user's can hold one.
    """
    secret = {"text": SAID}
    await ports.store.save_session(
        make_session(
            id=session_id,
            tenant_id="acme",
            user_id="ann",
            metadata=secret,
            context=secret,
        )
    )
    await ports.store.save_run(
        make_run(
            id=f"run_{session_id}",
            session_id=session_id,
            input=SAID,
            output=[SAID],
            error=secret,
            metadata=secret,
            provider_metadata={"model": "gpt-5", **secret},
            token_usage={"input_tokens": 3, "output_tokens": 4},
        )
    )
    await ports.store.append_events(
        [
            make_event(
                id=f"evt_{number}",
                session_id=session_id,
                type="message_sent",
                data={"content": f"{SAID} {number}"},
                metadata=secret,
            )
            for number in range(20)
        ]
    )
    await ports.state.save_items(
        [
            make_item(
                scope=session_id,
                key="k",
                data=secret,
                content=SAID.encode() * 100,
                session_id=session_id,
            )
        ]
    )
    await ports.artifacts.register(
        make_artifact(
            id=f"art_{session_id}",
            key=f"{session_id}.md",
            session_id=session_id,
            metadata=secret,
        )
    )
