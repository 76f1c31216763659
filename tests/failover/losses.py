"""
Failovers with an asynchronous standby that is behind: what is lost is noticed.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ConflictError, HistoryLostError
from asm_async.ports.session_store import SessionStore
from asm_async.sql import SQLEventFeed, SQLMaintenance, SQLSessionStore, create_engine
from asm_async.testing.factories import make_event, make_session
from asm_async.values.maintenance import HealthIssueKind
from tests.failover.cluster import Cluster, running_cluster
from tests.failover.followers import (
    PASSING,
    Consumer,
    EffectiveConsumer,
    Given,
    given_of,
)
from tests.failover.load import PATIENT
from tests.failover.preparation import make_tables
from tests.failover.verdict import check_followers, stored_events
from tests.failover.watchers import watching
from tests.fault.feed_order import check_feed
from tests.torture.campaign import Setting, Tally

__all__ = ["Losses"]

_SESSIONS = [f"ses_{number}" for number in range(3)]
_FAILOVER_SECONDS = 90.0
_CATCH_UP_SECONDS = 60.0
_PAUSE_SECONDS = 0.02

# The same, and that a batch was acknowledged which is not in the log any more.
_SURVIVED = (*PASSING, HistoryLostError, ConflictError)

# How many events are acknowledged by a primary that nothing leaves any more.
_MOST_UNSENT = 60


@attrs.define
class Appender:
    """
    Appends to some sessions, one event after the other, and remembers what it was told.
    """

    store: SessionStore
    acknowledged: list[Given] = attrs.field(factory=list[Given])
    attempted: set[str] = attrs.field(factory=set[str])

    async def run(self) -> None:
        """
        Append until cancelled.
        """
        for number in count():
            session_id = _SESSIONS[number % len(_SESSIONS)]
            event = make_event(id=f"evt_{number}", session_id=session_id)
            self.attempted.add(event.id)
            stored = await self.store.append_event_with_sequence(event)
            self.acknowledged.append(given_of(stored))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def wait_for(self, events: int) -> None:
        """
        Wait until so many more were acknowledged.
        """
        aim = len(self.acknowledged) + events
        while len(self.acknowledged) < aim:  # noqa: ASYNC110 - a poll is short enough
            await asyncio.sleep(_PAUSE_SECONDS)


@attrs.frozen(kw_only=True)
class Loss:
    """
    What one failover has lost, and who has noticed.
    """

    lost: int
    """
    How many acknowledged events are not stored any more.
    """

    followers: int
    """
    How many followers under way have raised HistoryLostError, which is all of them.
    """

    checkpoints: int
    """
    How many places within what was lost were resumed at, and refused.
    """

    seconds: float
    """
    How long after the end of the failover the last of the followers noticed.
    """


class Losses:
    """
    Asynchronous failovers, one after the other, of one cluster.
    """

    def __init__(self) -> None:
        self._losses: list[Loss] = []
        self._gone: set[Given] = set()
        self.figures: dict[str, Any] = {}
        """
        What was really done and measured.
        """

    async def run(self, setting: Setting) -> Tally:
        """
        Lose events again and again, and judge each time.
        """
        async with running_cluster(servers=2, is_synchronous=False) as cluster:
            url = cluster.proxied_url
            await make_tables(url)
            engine = create_engine(url)
            feed = SQLEventFeed(engine, timeout=PATIENT)
            store = SQLSessionStore(engine, timeout=PATIENT)
            appender = Appender(store)
            for session_id in _SESSIONS:
                await store.save_session(make_session(id=session_id))
            try:
                async with asyncio.TaskGroup() as group:
                    plain = Consumer("plain", feed, passing=_SURVIVED)
                    effective = EffectiveConsumer("effective", feed, passing=_SURVIVED)
                    appending = group.create_task(appender.run())
                    consuming = [
                        group.create_task(each.run()) for each in (plain, effective)
                    ]
                    for number in setting.each_fault():
                        loss = await self._lose(cluster, appender, engine, setting)
                        self._losses.append(loss)
                        setting.tell(f"{number + 1} {loss}")
                    appending.cancel()
                    await asyncio.wait([appending])
                    stored = set(await _checked(engine, plain, effective))
                    for task in consuming:
                        task.cancel()
                assert set(appender.acknowledged) - self._gone <= stored
                assert {id_ for _, _, id_ in stored} <= appender.attempted
            finally:
                await feed.aclose()
                await store.aclose()
                await engine.dispose()
        self.figures = {
            "acts": {"losses": len(self._losses)},
            "lost": [loss.lost for loss in self._losses],
            "noticed_by_followers": sum(loss.followers for loss in self._losses),
            "noticed_at_checkpoints": sum(loss.checkpoints for loss in self._losses),
            "seconds_to_notice": round(max(loss.seconds for loss in self._losses), 1),
        }
        return Tally(
            faults=len(self._losses),
            acknowledged=len(appender.acknowledged),
            refused=0,
            unknown=0,
        )

    async def _lose(
        self,
        cluster: Cluster,
        appender: Appender,
        engine: AsyncEngine,
        setting: Setting,
    ) -> Loss:
        """
        Have one primary acknowledge what no standby gets, kill it, and judge.
        """
        random = setting.random
        await cluster.wait_until_whole()
        async with watching(cluster, _SESSIONS) as watchers:
            await appender.wait_for(random.randint(20, 60))
            await watchers.are_given(appender.acknowledged[-len(_SESSIONS) :])
            safe = watchers.counts()
            await cluster.wait_for_replication()
            primary = await cluster.leader()
            assert primary.hold_replication()
            unsent = len(appender.acknowledged) + len(_SESSIONS)
            await appender.wait_for(random.randint(4 * len(_SESSIONS), _MOST_UNSENT))
            await watchers.are_given(appender.acknowledged[unsent:][: len(_SESSIONS)])
            primary.kill()
            acknowledged = list(appender.acknowledged)
            await cluster.wait_for_another(primary, seconds=_FAILOVER_SECONDS)
            start = time.monotonic()
            await watchers.have_noticed()
            seconds = time.monotonic() - start
            await appender.wait_for(len(_SESSIONS))
            stored = await stored_events(engine)
            lost = set(acknowledged) - set(stored) - self._gone
            self._gone |= lost
            assert set(acknowledged[unsent:]) <= lost
            checkpoints = await watchers.check(stored, lost, safe)
            primary.start()
        return Loss(
            lost=len(lost),
            followers=len(watchers.followers),
            checkpoints=checkpoints,
            seconds=seconds,
        )


async def _checked(
    engine: AsyncEngine, plain: Consumer, effective: EffectiveConsumer
) -> list[Given]:
    """
    Return what is stored, which must be sound, and which no consumer has missed.

    What was lost the one has handled as well; the effects of the other went with it.
    """
    await check_followers([effective], engine)
    stored = await stored_events(engine)
    async with asyncio.timeout(_CATCH_UP_SECONDS):
        while set(stored) - set(plain.record):  # noqa: ASYNC110 - as above
            await asyncio.sleep(_PAUSE_SECONDS)
    numbers: dict[str, list[int]] = {}
    for session_id, number, _ in stored:
        numbers.setdefault(session_id, []).append(number)
    for session_id, given in numbers.items():
        assert given == [*range(1, len(given) + 1)], session_id
    await check_feed(engine)
    issues = await SQLMaintenance(engine).health_check()
    damage = [i for i in issues if i.kind is not HealthIssueKind.WEAK_DURABILITY]
    assert not damage, f"the database is damaged: {damage}"
    return stored
