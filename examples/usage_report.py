"""
Report what recorded conversations consumed and cost, in tables and in a picture.

    python examples/usage_report.py examples/data/conversations.json
    python examples/usage_report.py PATH --plot usage.png --model gpt-4o-mini
    python examples/usage_report.py PATH --url postgresql+asyncpg://host/database

PATH is what record_conversations.py takes. Its conversations are recorded first, which
adds nothing where they are recorded already.

The conversations tell neither how many tokens they took nor which model wrote them. So
the tokens are an estimate, a token for every four characters; for each of its messages
the model is taken to have read all that came before in the conversation. The cost is
the list price of the model that --provider and --model name, as if that one had been
used, without caching or discounts. Each run says so in its record.

The exit code is 0 if all went well; 1 if the database fails or the picture cannot be
written; 2 if PATH or an option is not what it should be; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
from conversation_log import executions_of, session_id_of
from matplotlib.figure import Figure
from record_conversations import (
    NamedConversation,
    Recorder,
    for_each,
    read_conversations,
)
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from asm_async import Event, EventType, Run, errors, open_store
from asm_async.integrations.genai_prices import GenAIPrices
from asm_async.sql import SQLQueryAPI, SQLSessionStore

CHARACTERS_PER_TOKEN = 4
LONGEST = 10
FORMATS = (".png", ".svg")
NOTE = (
    "Tokens are estimated, one for every {} characters: the conversations tell none."
    " Costs are what {} of {} would have cost at list price, without caching: the"
    " conversations do not tell the model."
)


class TokenEstimate:
    """
    Goes through a conversation's events and guesses what each run reads and writes.
    """

    def __init__(self) -> None:
        self._context = 0
        self._message_id: str | None = None

    def usage_of(self, events: Iterable[Event]) -> dict[str, Any]:
        """
        Estimate one run's token usage, given those before it.
        """
        read = written = 0
        for event in events:
            size = -(-characters_in(event) // CHARACTERS_PER_TOKEN)
            if event.type in {EventType.MESSAGE_RECEIVED, EventType.TOOL_CALL_STARTED}:
                # A text and its tool calls are one message, which is read once.
                if event.data["message_id"] != self._message_id:
                    self._message_id = event.data["message_id"]
                    read += self._context
                written += size
            self._context += size
        method = f"estimated: {CHARACTERS_PER_TOKEN} characters a token"
        return {"input_tokens": read, "output_tokens": written, "method": method}


def characters_in(event: Event) -> int:
    """
    Count what a model reads or writes of an event: a message, a call or its result.
    """
    said: list[Any] = []
    if event.type.startswith("message_"):
        said = [event.data["content"] or ""]
    elif event.type is EventType.TOOL_CALL_STARTED:
        said = [event.data["tool_name"], event.data["tool_input"]]
    elif event.type is EventType.TOOL_CALL_COMPLETED:
        said = [event.data["tool_output"]]
    return sum(
        len(each if isinstance(each, str) else json.dumps(each, ensure_ascii=False))
        for each in said
    )


@dataclass(frozen=True)
class Model:
    """
    Who is taken to have written the answers.
    """

    provider: str
    name: str

    def used_in(self, run: Run, usage: dict[str, Any]) -> Run:
        """
        Return the run as it would be if this model had consumed *usage* in it.
        """
        return attrs.evolve(
            run,
            provider=self.provider,
            provider_metadata={"model": self.name, "assumed": True},
            token_usage=usage,
        )


@dataclass(frozen=True)
class Spent:
    """
    What the runs of a model or of a conversation came to.
    """

    name: str
    runs: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    events: int = 0


async def record_usage(
    store: SQLSessionStore, name: str, conversation: Any, model: Model
) -> None:
    """
    Save with each run of a recorded conversation what it is estimated to have consumed.

    The revision expected makes sure that nothing saved meanwhile is undone.
    """
    estimate = TokenEstimate()
    for execution in executions_of(conversation, name):
        usage = estimate.usage_of(execution.events)
        if execution.run is None:
            continue
        run = await store.get_run(execution.run.id)
        wanted = model.used_in(run, usage)
        if not wanted.has_same_content(run):
            await store.save_run(wanted, expected_revision=run.revision)


async def record(
    store: SQLSessionStore, conversations: list[NamedConversation], model: Model
) -> None:
    """
    Record all conversations and their usage, under a progress bar.
    """
    recorder = Recorder(store)

    async def record_one(name: str, conversation: Any) -> None:
        await recorder.record(name, conversation)
        await record_usage(store, name, conversation, model)

    with Progress(console=Console(stderr=True)) as progress:
        await for_each(conversations, record_one, progress, "recording")


async def spent_in(query_api: SQLQueryAPI, session_id: str) -> Spent:
    """
    Ask what one conversation came to.
    """
    stats = await query_api.get_session_stats(session_id)
    costs = await query_api.get_cost_summary(
        session_id=session_id, price_lookup=GenAIPrices()
    )
    return Spent(
        name=session_id,
        runs=stats.run_count,
        input_tokens=stats.token_totals.input_tokens,
        output_tokens=stats.token_totals.output_tokens,
        cost_usd=None if costs.unmapped_runs else costs.total_cost_usd,
        events=stats.event_count,
    )


async def spent_on_models(query_api: SQLQueryAPI) -> list[Spent]:
    """
    Ask what all that the database holds came to, by model.
    """
    usage = await query_api.get_usage_summary()
    costs = await query_api.get_cost_summary(price_lookup=GenAIPrices())
    return [
        Spent(
            name=model,
            runs=used.run_count,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cost_usd=costs.by_model[model].cost_usd
            if model in costs.by_model
            else None,
        )
        for model, used in usage.by_model.items()
    ]


def table_of(title: str, rows: Iterable[Spent]) -> Table:
    """
    Write figures as people read them.
    """
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for figure in ("runs", "read", "written", "US dollars"):
        table.add_column(figure, justify="right", no_wrap=True)
    for row in rows:
        counts = (row.runs, row.input_tokens, row.output_tokens)
        cost = "unknown" if row.cost_usd is None else f"{row.cost_usd:,.4f}"
        table.add_row(row.name, *(f"{count:,}" for count in counts), cost)
    return table


def draw(spent: list[Spent], path: Path) -> None:
    """
    Draw each conversation as a dot: how long it was, and how many tokens it took.

    The picture replaces the file at *path* when it is whole, so that neither a crash
    nor Ctrl-C leaves half of one.
    """
    figure: Any = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(
        [one.events for one in spent],
        [(one.input_tokens + one.output_tokens) / 1_000 for one in spent],
        alpha=0.5,
    )
    axes.set_title("Each answer reads all that came before it")
    axes.set_xlabel("events of a conversation")
    axes.set_ylabel("thousand tokens (estimated)")
    axes.set_ylim(bottom=0)
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower())
    replace_file(path, picture.getvalue())


def check_picture(path: Path) -> None:
    """
    Refuse a picture that cannot be drawn there, before anything else is done.

    Raises:
        ValueError: Saying why.
    """
    if not path.parent.is_dir():
        raise ValueError(f"--plot {path}: {path.parent} is no directory")
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"--plot {path}: expected a name in {' or '.join(FORMATS)}")


def replace_file(path: Path, content: bytes) -> None:
    """
    Put *content* into the place of a file, whole or not at all.
    """
    half_done = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half_done.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half_done.replace(path)
    finally:
        half_done.unlink(missing_ok=True)


async def report(
    conversations: list[NamedConversation], url: str, model: Model, plot: Path
) -> None:
    """
    Record, ask, print and draw.
    """
    async with open_store(url, migrate=True) as store:
        await record(store, conversations, model)
        query_api = SQLQueryAPI(store.engine)
        models = await spent_on_models(query_api)
        spent = [
            await spent_in(query_api, session_id_of(name)) for name, _ in conversations
        ]
    console = Console()
    console.print(table_of("Tokens by model, of all that the database holds", models))
    longest = sorted(spent, key=lambda one: -one.input_tokens)[:LONGEST]
    title = f"Tokens of those of {len(spent):,} conversations that took most"
    console.print(table_of(title, longest))
    console.print(NOTE.format(CHARACTERS_PER_TOKEN, model.name, model.provider))
    draw(spent, plot)
    console.print(f"The picture is in {plot}.")


def run(path: Path, url: str, model: Model, plot: Path) -> int:
    """
    Do the whole work and give the exit code.
    """
    try:
        check_picture(plot)
        conversations = read_conversations(path)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    code = 1
    try:
        asyncio.run(report(conversations, url, model, plot))
        code = 0
    except* (errors.ASMError, OSError) as group:
        print(f"error: {group.exceptions[0]}", file=sys.stderr)
    return code


def main() -> int:
    """
    Read the command line, and take Ctrl-C for an answer.
    """
    parser = argparse.ArgumentParser(description="Report what conversations cost.")
    parser.add_argument("path", type=Path, help="a JSON list of conversations")
    for name, default, meaning in (
        ("--url", "sqlite+aiosqlite:///usage.sqlite3", "the database"),
        ("--plot", "usage.svg", "where the picture goes: a .png or .svg file"),
        ("--provider", "openai", "whose price list"),
        ("--model", "gpt-4o", "which model's prices"),
    ):
        parser.add_argument(
            name, default=default, help=f"{meaning} (default: %(default)s)"
        )
    options = parser.parse_args()
    try:
        model = Model(options.provider, options.model)
        return run(options.path, options.url, model, Path(options.plot))
    except KeyboardInterrupt:
        print("interrupted: only whole runs are stored; run it again", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
