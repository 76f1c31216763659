"""
The page about OpenTelemetry and its dashboard, beside what the code exports.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY

from asm_async import open_ports
from asm_async.integrations.opentelemetry import instrument
from asm_async.integrations.opentelemetry.instruments import METRICS, instruments_of
from asm_async.testing.event_feed.contract import take
from asm_async.testing.factories import make_event, make_session

FOLDER = Path(__file__).parents[2] / "docs" / "howto"
PAGE = (FOLDER / "observe.md").read_text(encoding="utf-8")
DASHBOARD = (FOLDER / "observe-dashboard.json").read_text(encoding="utf-8")

NAME = re.compile(r"\b(?:asm_async|db_client)_\w+")
LABEL = re.compile(r"\b(\w+)(?:=~|!=|=)\"")
GROUPS = re.compile(r"\b(?:by|label_values) ?\(([^()]*)\)")


def queries(found: Any) -> Iterator[str]:
    """
    Yield each query of a dashboard.
    """
    members: list[Any] = []
    if isinstance(found, dict):
        for key, value in cast("dict[str, Any]", found).items():
            if key in {"expr", "query"} and isinstance(value, str):
                yield value
            else:
                yield from queries(value)
    elif isinstance(found, list):
        members += found
    for each in members:
        yield from queries(each)


def alerts() -> Iterator[str]:
    """
    Yield each line of the page's rules for alerts, but comments.
    """
    (rules,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for line in rules.splitlines():
        if not line.lstrip().startswith(("#", "- alert", "for:")):
            yield line


async def exported(url: str) -> dict[str, set[str]]:
    """
    Have everything measured once, and return the labels of each series, by its name.
    """
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    try:
        async with open_ports(url) as ports:
            with instrument(ports, meter_provider=provider):
                await ports.store.save_session(make_session())
                await ports.store.append_event(make_event())
                await take(ports.feed.consumer("indexer").batches(), 1)
                instruments = instruments_of(provider)
                names = ("db.namespace", "db.operation.name", "error.type")
                attributes: dict[str, str] = dict.fromkeys(names, "")
                for counter in (
                    instruments.duplicates,
                    instruments.conflicts,
                    instruments.retries,
                ):
                    counter.add(1, attributes)
                instruments.call_duration.record(1.0, attributes)
                async with asyncio.timeout(10):
                    while True:
                        found = series()
                        if "asm_async_consumer_pending_events" in found:
                            return found
                        await asyncio.sleep(0)
    finally:
        provider.shutdown()


def series() -> dict[str, set[str]]:
    """
    Collect what Prometheus would see.
    """
    found: dict[str, set[str]] = {}
    for family in REGISTRY.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_dashboard_and_alerts_ask_for_what_is_exported(
    migrated_sqlite_url: str,
) -> None:
    """
    Each metric that they name is one, and has the labels that it is asked by.
    """
    found = await exported(migrated_sqlite_url)
    asked = [*queries(json.loads(DASHBOARD)), *alerts()]
    grouping = " ".join(g for query in asked for g in GROUPS.findall(query))
    names = {
        name
        for query in asked
        for name in NAME.findall(GROUPS.sub("", LABEL.sub("", query)))
    }
    labels = {label for query in asked for label in LABEL.findall(query)}
    labels |= set(re.findall(r"\w+", grouping)) - {*found}
    known = {label for each in found.values() for label in each}

    assert len(names) > len(METRICS)
    assert names - found.keys() == set()
    assert labels - known == set()


def test_the_table_has_each_metric_with_its_unit() -> None:
    """
    In the order of the code.
    """
    rows = re.findall(r"^\| `([\w.]+)` \| (s|\{\w+\}) \|", PAGE, re.MULTILINE)

    assert rows == [(metric.name, metric.unit) for metric in METRICS]


def test_each_metric_is_on_the_dashboard() -> None:
    """
    Whatever is measured can be seen.
    """
    for metric in METRICS:
        assert metric.name.replace(".", "_") in DASHBOARD
