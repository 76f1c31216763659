"""
One session as a page that stands alone: a file that can be sent to somebody.

It has no scripts and asks for nothing from elsewhere. Whatever was stored is escaped.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from asm_async.console.access import Reader
from asm_async.console.answers import RunAnswer, SessionAnswer
from asm_async.console.entries import EntryMaker
from asm_async.console.entry_answers import Cut, Entry, Part
from asm_async.console.sessions import run_page, session_answer
from asm_async.console.windows import bounds_of
from asm_async.fronts.loop_share import in_pieces
from asm_async.integrations.fastapi.pages import PartSize

_MAX_RUNS = 200

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


async def html_pieces(reader: Reader, session_id: str) -> AsyncGenerator[str]:
    """
    Yield the page of a session, with its events up to those of this moment.

    Raises:
        SessionNotFoundError: If there is none of this id, or it is not the tenant's.
    """
    bounds = await bounds_of(reader, session_id)
    answer = await session_answer(reader, session_id)
    runs = await run_page(reader, session_id, limit=_MAX_RUNS)
    styles = files("asm_async.console").joinpath("export.css").read_text("utf-8")
    yield "".join(_head(answer, styles))
    yield "".join(_runs(runs["items"], has_more=runs["cursor"] is not None))
    yield "<main>\n"
    maker = EntryMaker(
        hidden=bounds.hidden, prices=reader.price_lookup, max_length=None
    )
    pieces = _Pieces()
    place, part = 0, PartSize()
    while place < bounds.latest:
        events, _ = await reader.view.get_events(
            session_id, after=place, before=bounds.latest + 1, limit=part.next()
        )
        if not events:
            break
        place = events[-1].sequence_number
        entries = await in_pieces(maker.entry, events)
        texts = await in_pieces(pieces.add, entries)
        part.adapt(texts)
        yield "".join(texts)
    yield pieces.rest()
    # It must still be there, or what was not found was removed meanwhile.
    await reader.view.get_session(session_id)
    yield "</main>\n</body>\n</html>\n"


def _head(answer: SessionAnswer, styles: str) -> Iterator[str]:
    row = answer["session"]
    title = escape(row["title"])
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{styles}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{title}</h1>\n<dl>\n"
    )
    tokens, cost = answer["tokens"], answer["cost_usd"]
    facts = {
        "Session": row["id"],
        "Agent": row["agent_id"],
        "User": row["user_id"],
        "Tenant": row["tenant_id"],
        "Status": row["status"],
        "Tags": ", ".join(row["tags"]),
        "Began": shown_time(row["created_at"]),
        "Last activity": shown_time(row["last_activity_at"] or row["updated_at"]),
        "Events": f"{answer['event_count']:,}",
        "Tokens": f"{tokens['input']:,} in, {tokens['output']:,} out",
        "Cost": None if cost is None else f"${cost:,.4f}",
        "Exported": shown_time(datetime.now(UTC).isoformat()),
    }
    for name, fact in facts.items():
        if fact:
            yield f"<div><dt>{name}</dt><dd>{escape(fact)}</dd></div>\n"
    yield "</dl>\n</header>\n"


def _runs(runs: list[RunAnswer], *, has_more: bool) -> Iterator[str]:
    if not runs:
        return
    shown = f"Runs ({len(runs)}{'+' if has_more else ''})"
    yield f"<details>\n<summary>{shown}</summary>\n<div class=scroll><table>\n<thead>"
    names = ("Run", "State", "Began", "Took", "Model", "Tokens", "Cost", "Error")
    yield "<tr>" + "".join(f"<th scope=col>{name}</th>" for name in names)
    yield "</tr></thead>\n<tbody>\n"
    for run in runs:
        tokens, cost, took = run["tokens"], run["cost_usd"], run["duration_ms"]
        error = run["error"]
        cells = (
            run["id"],
            run["state"],
            shown_time(run["started_at"]),
            "" if took is None else f"{took / 1000:,.1f} s",
            " ".join(filter(None, [run["provider"], run["model"]])),
            "" if tokens is None else f"{tokens['total']:,}",
            "" if cost is None else f"${cost:,.4f}",
            "" if error is None else error["message"]["text"],
        )
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"
    yield "</tbody>\n</table></div>\n</details>\n"


class _Pieces:
    """
    Makes HTML of entries, those of a streamed message joined unless it comes whole.
    """

    def __init__(self) -> None:
        self._message_id: str | None = None
        self._deltas: list[Entry] = []

    def add(self, entry: Entry) -> str:
        """
        Return the HTML that an entry adds.
        """
        if entry["kind"] == "delta":
            before = ""
            if self._deltas and entry.get("message_id") != self._message_id:
                before = self.rest()
            self._message_id = entry.get("message_id")
            self._deltas.append(entry)
            return before
        if entry["kind"] == "message" and self._is_whole(entry):
            self._deltas.clear()
        return self.rest() + entry_html(entry)

    def rest(self) -> str:
        """
        Return the HTML of a message of which there are only pieces.
        """
        if not self._deltas:
            return ""
        first = self._deltas[0]
        text = "".join(
            part["text"]["text"]
            for entry in self._deltas
            for part in entry.get("parts", [])
            if part["type"] != "image"
        )
        self._deltas.clear()
        joined: Cut = {"text": text, "format": "text", "more_bytes": 0}
        return entry_html({**first, "parts": [{"type": "text", "text": joined}]})

    def _is_whole(self, entry: Entry) -> bool:
        return bool(self._deltas) and entry.get("message_id") == self._message_id


def entry_html(entry: Entry) -> str:
    """
    Return the HTML of one entry.
    """
    classes = ["entry", entry["kind"], entry.get("role", "")]
    if entry["is_retracted"]:
        classes.append("retracted")
    tool = entry.get("tool")
    if "error" in entry or (tool is not None and tool["is_error"]):
        classes.append("failed")
    return (
        f'<article class="{escape(" ".join(filter(None, classes)))}"'
        f' id="e{entry["sequence"]}">\n'
        f"<p class=about>{''.join(_about(entry))}</p>\n{''.join(_content(entry))}"
        "</article>\n"
    )


def _about(entry: Entry) -> Iterator[str]:
    number = entry["sequence"]
    yield f"<b>{escape(_speaker(entry))}</b> "
    if entry["is_retracted"]:
        yield "<i>retracted</i> "
    for name in ("label", "model", "stop_reason"):
        if said := entry.get(name):
            yield f"<span>{escape(str(said))}</span> "
    if (tokens := entry.get("tokens")) is not None:
        yield f"<span>{tokens['input']:,} in, {tokens['output']:,} out</span> "
    if (cost := entry.get("cost_usd")) is not None:
        yield f"<span>${cost:,.4f}</span> "
    yield f'<time datetime="{entry["time"]}">{shown_time(entry["time"])}</time> '
    yield f'<a href="#e{number}">{number}</a>'


def _speaker(entry: Entry) -> str:
    tool = entry.get("tool")
    if tool is not None:
        return {"tool_call": "call ", "tool_result": "result "}.get(
            entry["kind"], ""
        ) + tool["name"]
    if entry["kind"] == "other":
        return entry["type"]
    return entry.get("role") or entry["kind"].replace("_", " ")


def _content(entry: Entry) -> Iterator[str]:
    for part in entry.get("parts", []):
        yield _part(part)
    if (error := entry.get("error")) is not None:
        code = f"<b>{escape(error['code'])}</b> " if error["code"] else ""
        yield f"<p class=error>{code}{escape(error['message']['text'])}</p>\n"
        yield from _unfolding("details", error["details"])
    if (tool := entry.get("tool")) is not None:
        yield from _unfolding("arguments", tool["input"])
        yield from _unfolding("result", tool["output"])
    if (approval := entry.get("approval")) is not None:
        said = " ".join(filter(None, [approval["state"], "by", approval["by"]]))
        shown = said if approval["by"] else approval["state"]
        yield f"<p>{escape(shown)}</p>\n"
        yield from _unfolding("reason", approval["reason"])
    if (range_ := entry.get("retracted")) is not None:
        yield f"<p>Events {range_['first']} to {range_['last']} were retracted.</p>\n"
    for name, cut in (("reason", entry.get("reason")), ("data", entry.get("data"))):
        yield from _unfolding(name, cut)


def _part(part: Part) -> str:
    if part["type"] == "image":
        if part["data_url"]:
            return f'<img alt="an image" src="{escape(part["data_url"])}">\n'
        return f"<p>[an image: {escape(part['url'] or 'not shown')}]</p>\n"
    if part["type"] == "data":
        return "".join(_unfolding(part["label"], part["text"]))
    return f'<div class="text {part["type"]}">{escape(part["text"]["text"])}</div>\n'


def _unfolding(name: str, cut: Cut | None) -> Iterator[str]:
    if cut is not None:
        yield f"<details><summary>{escape(name)}</summary>"
        yield f"<pre>{escape(cut['text'])}</pre></details>\n"


def shown_time(text: str) -> str:
    """
    Write a time as people read it.
    """
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"
