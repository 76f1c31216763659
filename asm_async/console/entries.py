"""
Events as they are displayed: one entry for each, so that entries are numbered as well.

The members of an event's data are those of :mod:`asm_async.conventions`; what lies
elsewhere is displayed as data, so that nothing is hidden for its shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from asm_async.console.cuts import Cutter, members, time_text
from asm_async.console.entry_answers import (
    Approval,
    ApprovalState,
    Entry,
    EntryError,
    EntryKind,
    Tool,
)
from asm_async.console.entry_parts import parts_of
from asm_async.console.runs import cost_of, tokens_of
from asm_async.conventions import Role
from asm_async.transcripts.message import is_parts
from asm_async.values.event import EVENTS_RETRACTED, Event, EventType
from asm_async.values.fields import MAX_COUNT
from asm_async.values.json_values import decode_json, encode_json
from asm_async.values.retraction import Ranges, is_hidden
from asm_async.values.token_price import PriceLookup

MAX_ENTRY_TEXT = 4_000
"""
How many characters of each text are displayed in a list of entries.
"""

_MAX_DECODED_LENGTH = 1 << 22


def data_text(event: Event) -> str:
    """
    Return an event's data as JSON.
    """
    return encode_json(event.data)


@attrs.frozen(kw_only=True)
class EntryMaker:
    """
    Makes entries of a session's events.
    """

    hidden: Ranges = ()
    """
    The numbers of the session's retracted events.
    """

    prices: PriceLookup | None = None
    models: Mapping[str, tuple[str | None, str | None]] = MappingProxyType({})
    """
    The provider and model of runs, for events that do not name them.
    """

    max_length: int | None = MAX_ENTRY_TEXT

    def entry(self, event: Event) -> Entry:
        """
        Return how an event is displayed.
        """
        text = data_text(event)
        kind, describe = _KINDS.get(str(event.type), ("other", _describe_other))
        entry = self._base(event, kind, len(text))
        cutter = Cutter(self.max_length)
        if self.max_length is not None and len(text) > _MAX_DECODED_LENGTH:
            # To decode it would keep the loop from others for the sake of a few lines.
            entry["data"] = cutter.text(text)
            entry["data"]["format"] = "json"
        else:
            describe(_Described(event, decode_json(text), entry, cutter, self))
        entry["is_cut"] = cutter.has_cut
        return entry

    def _base(self, event: Event, kind: EntryKind, size: int) -> Entry:
        number = event.sequence_number
        return {
            "sequence": number,
            "id": event.id,
            "type": str(event.type),
            "kind": kind,
            "time": time_text(event.timestamp),
            "run_id": event.run_id,
            "provider": event.provider,
            "correlation_id": event.correlation_id,
            "is_retracted": is_hidden(number, self.hidden),
            "bytes": size,
            "is_cut": False,
        }


@attrs.frozen
class _Described:
    """
    An event, what its data says, and the entry that is made of it.
    """

    event: Event
    data: Mapping[str, Any]
    entry: Entry
    cutter: Cutter
    maker: EntryMaker

    def text(self, name: str) -> str | None:
        """
        Return a member that is text, if there is such.
        """
        value = self.data.get(name)
        return value if isinstance(value, str) and value else None

    def number(self, name: str) -> float | None:
        """
        Return a member that is a number, if there is such.
        """
        value = self.data.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        # JSON's integers may be larger than any float.
        return float(value) if abs(value) <= MAX_COUNT else None

    def show_data(self) -> None:
        """
        Show all of the data, since nothing else does.
        """
        if self.data:
            self.entry["data"] = self.cutter.json(dict(self.data))

    def show_reason(self) -> None:
        """
        Show why something happened, if it says so.
        """
        if (reason := self.data.get("reason")) is not None:
            self.entry["reason"] = self.cutter.json(reason)

    def show_error(self) -> None:
        """
        Show what went wrong, if it says so.
        """
        message = self.data.get("error_message")
        if message is None and "error_code" not in self.data:
            return
        error: EntryError = {
            "message": self.cutter.json(message if message is not None else ""),
            "code": self.text("error_code"),
            "details": self.cutter.optional(self.data.get("details")),
        }
        self.entry["error"] = error

    def show_usage(self, usage: Mapping[str, Any]) -> None:
        """
        Show tokens, and what they cost.
        """
        if (tokens := tokens_of(usage)) is None:
            return
        self.entry["tokens"] = tokens
        if (stored := self.number("cost_usd")) is not None:
            self.entry["cost_usd"], self.entry["cost_is_computed"] = stored, False
            return
        provider, model = self.maker.models.get(self.event.run_id or "", (None, None))
        cost = cost_of(
            tokens,
            self.maker.prices,
            self.event.provider or provider,
            self.text("model") or model,
        )
        if cost is not None:
            self.entry["cost_usd"], self.entry["cost_is_computed"] = cost, True

    def show_names(self) -> None:
        """
        Show the names that a message or the begin of a run may have.
        """
        if message_id := self.text("message_id"):
            self.entry["message_id"] = message_id
        if model := self.text("model"):
            self.entry["model"] = model
        if stop_reason := self.text("stop_reason"):
            self.entry["stop_reason"] = stop_reason

    def tool(self) -> Tool:
        """
        Return which tool call it is about.
        """
        given = self.data.get("tool_input", self.data.get("tool_input_text"))
        return {
            "call_id": self.text("tool_call_id") or self.event.id,
            "name": self.text("tool_name") or "unknown",
            "input": self.cutter.optional(given),
            "output": None,
            "duration_ms": self.number("duration_ms"),
            "is_error": False,
        }


Describe: TypeAlias = Callable[[_Described], None]


def _describe_message(about: _Described) -> None:
    is_sent = about.event.type is EventType.MESSAGE_SENT
    speaker = Role.USER if is_sent else Role.ASSISTANT
    role = (about.text("role") or speaker.value).lower()
    _describe_words(about, role, "content")


def _describe_delta(about: _Described) -> None:
    _describe_words(about, Role.ASSISTANT.value, "delta")


def _describe_words(about: _Described, role: str, member: str) -> None:
    about.entry["role"] = role
    about.entry["parts"] = parts_of(about.data.get(member), about.cutter)
    about.show_names()
    if member not in about.data:
        about.show_data()


def _describe_call(about: _Described) -> None:
    about.entry["role"] = Role.ASSISTANT.value
    about.entry["tool"] = about.tool()
    about.show_names()


def _describe_result(about: _Described) -> None:
    tool = about.tool()
    tool["is_error"] = about.event.type is EventType.TOOL_CALL_FAILED
    output = about.data.get("tool_output")
    if output and is_parts(output):
        about.entry["parts"] = parts_of(output, about.cutter)
    elif "tool_output" in about.data:
        tool["output"] = about.cutter.json(output)
    about.entry["role"] = Role.TOOL.value
    about.entry["tool"] = tool
    about.show_error()


def _describe_approval(about: _Described) -> None:
    approval: Approval = {
        "state": _APPROVALS[str(about.event.type)],
        "by": about.text("decided_by"),
        "reason": about.cutter.optional(about.data.get("reason")),
        "policy": about.text("policy_name"),
    }
    about.entry["tool"] = about.tool()
    about.entry["approval"] = approval


def _describe_run_begin(about: _Described) -> None:
    about.show_names()


def _describe_run_end(about: _Described) -> None:
    about.entry["label"] = str(about.event.type).removeprefix("run_")
    if (output := about.data.get("output")) is not None:
        about.entry["output"] = about.cutter.json(output)
    about.show_usage(members(about.data.get("token_usage")))
    about.show_names()
    about.show_reason()
    about.show_error()


def _describe_session(about: _Described) -> None:
    about.entry["label"] = str(about.event.type).removeprefix("session_")
    about.show_reason()
    about.show_error()


def _describe_error(about: _Described) -> None:
    about.show_error()
    if "error" not in about.entry:
        about.show_data()


def _describe_usage(about: _Described) -> None:
    about.show_names()
    about.show_usage(about.data)


def _describe_turn(about: _Described) -> None:
    turn = about.number("turn")
    about.entry["label"] = "turn" if turn is None else f"turn {turn:.0f}"
    about.show_names()


def _describe_workspace(about: _Described) -> None:
    kind = str(about.event.type).removeprefix("workspace_").replace("_", " ")
    names = [about.text(name) for name in ("label", "ref")]
    about.entry["label"] = " ".join(filter(None, [kind, *names]))
    about.show_data()


def _describe_policy(about: _Described) -> None:
    names = [about.text(name) for name in ("policy", "kind", "action")]
    about.entry["label"] = ": ".join(filter(None, names))
    if "tool_name" in about.data:
        about.entry["tool"] = about.tool()
    about.show_data()


def _describe_retraction(about: _Described) -> None:
    about.entry["retracted"] = {
        "first": about.data["first"],
        "last": about.data["last"],
    }


def _describe_other(about: _Described) -> None:
    about.show_data()


_APPROVALS: Mapping[str, ApprovalState] = MappingProxyType(
    {
        EventType.TOOL_APPROVAL_REQUESTED: "requested",
        EventType.TOOL_APPROVAL_GRANTED: "granted",
        EventType.TOOL_APPROVAL_DENIED: "denied",
    }
)
_KINDS: Mapping[str, tuple[EntryKind, Describe]] = MappingProxyType(
    {
        EventType.SESSION_CREATED: ("session", _describe_session),
        EventType.SESSION_STARTED: ("session", _describe_session),
        EventType.SESSION_PAUSED: ("session", _describe_session),
        EventType.SESSION_RESUMED: ("session", _describe_session),
        EventType.SESSION_COMPLETED: ("session", _describe_session),
        EventType.SESSION_FAILED: ("session", _describe_session),
        EventType.SESSION_CANCELLED: ("session", _describe_session),
        EventType.RUN_STARTED: ("run_begin", _describe_run_begin),
        EventType.RUN_COMPLETED: ("run_end", _describe_run_end),
        EventType.RUN_FAILED: ("run_end", _describe_run_end),
        EventType.RUN_CANCELLED: ("run_end", _describe_run_end),
        EventType.RUN_TIMEOUT: ("run_end", _describe_run_end),
        EventType.MESSAGE_SENT: ("message", _describe_message),
        EventType.MESSAGE_RECEIVED: ("message", _describe_message),
        EventType.MESSAGE_STREAMED: ("delta", _describe_delta),
        EventType.TOOL_CALL_STARTED: ("tool_call", _describe_call),
        EventType.TOOL_CALL_COMPLETED: ("tool_result", _describe_result),
        EventType.TOOL_CALL_FAILED: ("tool_result", _describe_result),
        EventType.ERROR_OCCURRED: ("error", _describe_error),
        EventType.ERROR_RECOVERED: ("recovery", _describe_error),
        EventType.TOKEN_USAGE_UPDATED: ("usage", _describe_usage),
        EventType.TURN_COMPLETED: ("turn", _describe_turn),
        EventType.WORKSPACE_SNAPSHOT_TAKEN: ("workspace", _describe_workspace),
        EventType.WORKSPACE_DIFF_COMPUTED: ("workspace", _describe_workspace),
        EventType.POLICY_VIOLATION: ("policy", _describe_policy),
        EventType.TOOL_APPROVAL_REQUESTED: ("approval", _describe_approval),
        EventType.TOOL_APPROVAL_GRANTED: ("approval", _describe_approval),
        EventType.TOOL_APPROVAL_DENIED: ("approval", _describe_approval),
        EVENTS_RETRACTED: ("retraction", _describe_retraction),
    }
)
