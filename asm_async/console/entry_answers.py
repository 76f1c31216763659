"""
What the console's routes answer of events, as the page reads it.

As in :mod:`asm_async.console.answers`; a key that may be missing is there only where
there is such a thing.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

# Python 3.11's own cannot be checked by pydantic, with which tests check all answers.
from typing_extensions import TypedDict

EntryKind: TypeAlias = Literal[
    "message",
    "delta",
    "tool_call",
    "tool_result",
    "approval",
    "run_begin",
    "run_end",
    "session",
    "error",
    "recovery",
    "usage",
    "turn",
    "workspace",
    "policy",
    "retraction",
    "other",
]
"""
How an event is displayed.
"""

ApprovalState: TypeAlias = Literal["requested", "granted", "denied"]
"""
Whether a tool call may be made.
"""


class Cut(TypedDict):
    """
    Text that may have been cut; *more_bytes* of UTF-8 are left out.
    """

    text: str
    format: Literal["text", "json"]
    more_bytes: int


class Tokens(TypedDict):
    """
    What a run, or several, consumed.
    """

    input: int
    output: int
    total: int
    cache_read: int
    cache_write: int
    reasoning: int


class TextPart(TypedDict):
    """
    Text of a message.
    """

    type: Literal["text", "reasoning", "refusal"]
    text: Cut


class ImagePart(TypedDict):
    """
    An image: itself as a ``data:`` URL, or where it is, which is shown as text.
    """

    type: Literal["image"]
    media_type: str | None
    data_url: str | None
    url: str | None
    bytes: int


class DataPart(TypedDict):
    """
    A part of any other type, as JSON.
    """

    type: Literal["data"]
    label: str
    text: Cut


Part: TypeAlias = TextPart | ImagePart | DataPart
"""
One part of a message.
"""


class Tool(TypedDict):
    """
    A tool call, or its result.
    """

    call_id: str
    name: str
    input: Cut | None
    output: Cut | None
    duration_ms: float | None
    is_error: bool


class EntryError(TypedDict):
    """
    What went wrong.
    """

    message: Cut
    code: str | None
    details: Cut | None


class Approval(TypedDict):
    """
    Whether a tool call may be made.
    """

    state: ApprovalState
    by: str | None
    reason: Cut | None
    policy: str | None


class RetractedRange(TypedDict):
    """
    The first and the last event that a retraction hides.
    """

    first: int
    last: int


class Entry(TypedDict):
    """
    One event as it is displayed.
    """

    sequence: int
    id: str
    type: str
    kind: EntryKind
    time: str
    run_id: str | None
    provider: str | None
    correlation_id: str | None
    is_retracted: bool
    bytes: int
    is_cut: bool
    role: NotRequired[str]
    message_id: NotRequired[str]
    model: NotRequired[str]
    stop_reason: NotRequired[str]
    parts: NotRequired[list[Part]]
    tool: NotRequired[Tool]
    error: NotRequired[EntryError]
    tokens: NotRequired[Tokens]
    cost_usd: NotRequired[float]
    cost_is_computed: NotRequired[bool]
    approval: NotRequired[Approval]
    reason: NotRequired[Cut]
    output: NotRequired[Cut]
    retracted: NotRequired[RetractedRange]
    label: NotRequired[str]
    data: NotRequired[Cut]


class Window(TypedDict):
    """
    Successive events of a session.
    """

    items: list[Entry]
    first_sequence: int
    latest_sequence: int
    retracted: list[list[int]]


class NewEntries(TypedDict):
    """
    What was appended to a session; *retracted* is None where it is as it was.
    """

    items: list[Entry]
    latest_sequence: int
    retracted: list[list[int]] | None


class WholeEvent(TypedDict):
    """
    One event, uncut: as JSON text, and as it is displayed.
    """

    text: str
    entry: Entry


class Find(TypedDict):
    """
    Where in a session something was found.
    """

    sequence: int
    kind: EntryKind
    excerpt: str


class Finds(TypedDict):
    """
    What was found in a part of a session.
    """

    items: list[Find]
    searched_to: int
    is_done: bool


class Place(TypedDict):
    """
    A place in a session.
    """

    sequence: int | None
