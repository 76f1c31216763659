"""
What encryption costs: appends and reads a second, and bytes, with it and without.

``python -m benchmarks.encryption_overhead`` prints medians of runs in turn.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from asm_async import Event, EventType, Ports, Session, open_ports
from asm_async.encryption import (
    DirectoryKeyStore,
    KeyRing,
    LocalKeyProvider,
    encrypted_ports,
)

ROUNDS = 7
SINGLE = 300
BATCHES = 20
BATCH = 100

# A message of 300 characters, as it is said.
_TEXT = "The flight to Lisbon leaves at 7:40, and there is one seat left. " * 5


def _event(session: Session, number: int) -> Event:
    return Event.new(
        type=EventType.MESSAGE_SENT,
        session_id=session.id,
        data={"role": "user", "content": _TEXT[:300], "n": number},
    )


async def _single(ports: Ports, session: Session) -> float:
    events = [_event(session, number) for number in range(SINGLE)]
    begun = time.perf_counter()
    for event in events:
        await ports.store.append_event(event)
    return SINGLE / (time.perf_counter() - begun)


async def _batches(ports: Ports, session: Session) -> float:
    batches = [
        [_event(session, number) for number in range(BATCH)] for _ in range(BATCHES)
    ]
    begun = time.perf_counter()
    for batch in batches:
        await ports.store.append_events(batch)
    return BATCHES * BATCH / (time.perf_counter() - begun)


async def _reads(ports: Ports, session: Session) -> float:
    begun = time.perf_counter()
    events = await ports.store.get_events(session.id)
    return len(events) / (time.perf_counter() - begun)


def _size(directory: Path, kind: str) -> int:
    return sum(path.stat().st_size for path in directory.glob(f"{kind}.sqlite3*"))


async def main() -> None:
    """
    Measure both kinds of ports in turn, each over a database of its own.
    """
    provider = LocalKeyProvider({"m": bytes(64)})
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        keys = KeyRing(DirectoryKeyStore(directory / "keys"), provider)
        plain_url = f"sqlite+aiosqlite:///{directory}/plain.sqlite3"
        sealed_url = f"sqlite+aiosqlite:///{directory}/sealed.sqlite3"
        async with (
            open_ports(plain_url, migrate=True) as plain,
            open_ports(sealed_url, migrate=True) as raw,
        ):
            both = {"plain": plain, "encrypted": encrypted_ports(raw, keys=keys)}
            measures: dict[str, Callable[[Ports, Session], Awaitable[float]]] = {
                "appends, one at a time": _single,
                "appends, by hundreds": _batches,
                "reads, one session": _reads,
            }
            found: dict[str, dict[str, list[float]]] = {
                what: {kind: [] for kind in both} for what in measures
            }
            for _ in range(ROUNDS):
                for kind, ports in both.items():
                    session = await ports.store.save_session(
                        Session.new(agent_id="bench")
                    )
                    for what, measure in measures.items():
                        found[what][kind].append(await measure(ports, session))
            for what, rates in found.items():
                plainly, sealed = (statistics.median(rates[kind]) for kind in both)
                print(  # noqa: T201 - a report
                    f"{what}: {plainly:,.0f}/s plain, {sealed:,.0f}/s encrypted,"
                    f" ratio {sealed / plainly:.2f}"
                )
        sizes = [_size(directory, kind) for kind in ("plain", "sealed")]
        count = ROUNDS * (SINGLE + BATCHES * BATCH)
        print(  # noqa: T201 - a report
            f"bytes of an event in the file: {sizes[0] / count:,.0f} plain,"
            f" {sizes[1] / count:,.0f} encrypted, ratio {sizes[1] / sizes[0]:.2f}"
        )


if __name__ == "__main__":
    asyncio.run(main())
