"""
What the console's routes answer of sessions and runs, as the page reads it.

Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

# Python 3.11's own cannot be checked by pydantic, with which tests check all answers.
from typing_extensions import TypedDict

from asm_async.console.entry_answers import Cut, Tokens

RunState: TypeAlias = Literal[
    "pending", "running", "interrupted", "completed", "failed", "cancelled", "timeout"
]
"""
A run's status, or that its recorder is gone.
"""


class Lease(TypedDict):
    """
    When a run's recorder was last heard of.
    """

    renewed_at: str
    seconds: float
    lapses_at: str


class RunError(TypedDict):
    """
    Why a run failed.
    """

    code: str | None
    message: Cut
    data: Cut


class RunAnswer(TypedDict):
    """
    One run.
    """

    id: str
    session_id: str
    state: RunState
    status: str
    is_recovered: bool
    lease: Lease | None
    started_at: str
    ended_at: str | None
    duration_ms: float | None
    provider: str | None
    model: str | None
    turn_count: int
    tokens: Tokens | None
    cost_usd: float | None
    cost_is_computed: bool
    error: RunError | None
    input: Cut | None
    output: Cut | None
    metadata: Cut | None
    revision: int


class LatestRun(TypedDict):
    """
    What a list says of a session's latest run.
    """

    id: str
    state: RunState
    started_at: str
    ended_at: str | None
    provider: str | None
    model: str | None
    error: str | None


class Row(TypedDict):
    """
    A session in a list.
    """

    id: str
    title: str
    title_is: Literal["given", "said", "id"]
    agent_id: str
    user_id: str | None
    tenant_id: str | None
    status: str
    tags: list[str]
    parent_session_id: str | None
    created_at: str
    updated_at: str
    last_activity_at: str | None
    deleted_at: str | None
    revision: int
    latest_sequence: int
    run_count: int
    tokens: Tokens
    latest_run: LatestRun | None


class Said(TypedDict):
    """
    A text that was found.
    """

    session_id: str
    title: str
    sequence: int | None
    type: str
    speaker: str | None
    time: str
    text: str
    marks: list[list[int]]


class SaidPage(TypedDict):
    """
    A page of texts that were found.
    """

    items: list[Said]
    cursor: str | None
    is_indexed: bool


class RowPage(TypedDict):
    """
    A page of the list of sessions.
    """

    items: list[Row]
    cursor: str | None
    total: int | None
    looked_at: int


class RowList(TypedDict):
    """
    Sessions that were asked for by their ids.
    """

    items: list[Row]


class SessionAnswer(TypedDict):
    """
    One session.
    """

    session: Row
    metadata: Cut
    context: Cut
    first_sequence: int
    latest_sequence: int
    event_count: int
    run_counts: dict[str, int]
    providers: list[str]
    tokens: Tokens
    cost_usd: float | None
    unpriced_runs: int
    retracted: list[list[int]]


class LiveSession(SessionAnswer):
    """
    One session, with its latest runs.
    """

    runs: list[RunAnswer]


class RunPage(TypedDict):
    """
    A page of a session's runs.
    """

    items: list[RunAnswer]
    cursor: str | None


class Node(TypedDict):
    """
    A session in the tree of those that come from one.
    """

    id: str
    title: str
    status: str
    agent_id: str
    created_at: str
    deleted_at: str | None
    relation: Literal["root", "fork", "child"]
    is_selected: bool
    state: RunState | None
    children: list[Node]
    more_children: int


class Tree(TypedDict):
    """
    The tree that a session stands in.
    """

    root: Node
    is_cut: bool


class Sums(TypedDict):
    """
    What some runs consumed and cost.
    """

    runs: int
    unpriced_runs: int
    cost_usd: float
    tokens: Tokens


class SumsGroup(Sums):
    """
    The same for one group.
    """

    key: dict[str, str | None]
    bucket: str | None


class Usage(TypedDict):
    """
    What runs consumed and cost, in all and by group.
    """

    total: Sums
    groups: list[SumsGroup]


class LatencyGroup(TypedDict):
    """
    How long the ended runs of one group took.
    """

    key: str | None
    runs: int
    median_ms: float
    p95_ms: float
    max_ms: float


class Latency(TypedDict):
    """
    How long runs took.
    """

    groups: list[LatencyGroup]
    runs: int
    is_sample: bool


class Database(TypedDict):
    """
    What the console looks at; never with a password.
    """

    kind: str
    name: str | None


class About(TypedDict):
    """
    What the page is to know of its server.
    """

    version: str
    read_only: bool
    tenant_id: str | None
    is_operator: bool
    database: Database
    now: str
    has_prices: bool
    max_page: int
    max_window: int
    session_statuses: list[str]
    run_states: list[str]


class ChangedRows(TypedDict):
    """
    What has changed in the list of sessions.
    """

    items: list[Row]
    removed: list[str]
