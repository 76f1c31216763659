"""
Runs as they are displayed: with their states, the interrupted ones among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs

from asm_async.console.answers import LatestRun, Lease, RunAnswer, RunError, RunState
from asm_async.console.cuts import (
    Cutter,
    members,
    optional_time,
    time_text,
)
from asm_async.console.entry_answers import Tokens
from asm_async.ports.state_store import StateStore
from asm_async.recording.endings import INTERRUPTED
from asm_async.recording.leases import LeaseTerm, RunItems, term_of
from asm_async.values.fields import MAX_COUNT
from asm_async.values.json_values import decoded
from asm_async.values.run import Run, RunStatus
from asm_async.values.token_price import PriceLookup
from asm_async.values.token_usage import TOKEN_COUNTS

MAX_RUN_TEXT = 2_000
"""
How many characters of a run's input, output and error are in a list.
"""

_MAX_KEYS = 500


@attrs.frozen
class RunStates:
    """
    How runs stand at one moment: their own status, and the leases of those that run.
    """

    now: datetime
    terms: Mapping[str, LeaseTerm]

    @classmethod
    async def of(cls, state: StateStore, runs: Iterable[Run]) -> RunStates:
        """
        Read the leases of those of *runs* that are running.
        """
        by_scope: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for run in runs:
            if run.status is RunStatus.RUNNING:
                scope, key = RunItems(run.session_id, run.id).lease
                by_scope[scope][key] = run.id
        terms: dict[str, LeaseTerm] = {}
        for scope, ids in by_scope.items():
            for key, item in (await state.get_items(scope, list(ids))).items():
                if (term := term_of(item)) is not None:
                    terms[ids[key]] = term
        return cls(datetime.now(UTC), terms)

    def state(self, run: Run) -> RunState:
        """
        Return how a run stands.

        One whose recorder has been silent for longer than one that lives may be is
        interrupted, though nobody has recovered it yet; one that nobody records is
        running for as long as it says so.
        """
        if self._has_lapsed(run) or is_recovered(run):
            return "interrupted"
        return run.status.value

    def lease(self, run: Run) -> Lease | None:
        """
        Return when a run's recorder was last heard of.
        """
        term = self.terms.get(run.id)
        if term is None:
            return None
        return {
            "renewed_at": time_text(term.renewed_at),
            "seconds": term.seconds,
            "lapses_at": time_text(_end_of(term)),
        }

    def _has_lapsed(self, run: Run) -> bool:
        term = self.terms.get(run.id)
        return term is not None and _end_of(term) < self.now


def _end_of(term: LeaseTerm) -> datetime:
    return term.renewed_at + timedelta(seconds=term.longest_silence)


def is_recovered(run: Run) -> bool:
    """
    Return whether a run was ended because its recorder was gone.
    """
    if run.status is not RunStatus.FAILED:
        return False
    return members(run.error).get("code") == INTERRUPTED


def run_answer(
    run: Run, states: RunStates, prices: PriceLookup | None, cutter: Cutter
) -> RunAnswer:
    """
    Describe a run.
    """
    model = model_of(run)
    cost, is_computed = run.cost_usd, False
    tokens = tokens_of(members(run.token_usage))
    if cost is None and tokens is not None:
        cost = cost_of(tokens, prices, run.provider, model)
        is_computed = cost is not None
    ended = run.ended_at
    return {
        "id": run.id,
        "session_id": run.session_id,
        "state": states.state(run),
        "status": run.status.value,
        "is_recovered": is_recovered(run),
        "lease": states.lease(run),
        "started_at": time_text(run.started_at),
        "ended_at": optional_time(ended),
        "duration_ms": None if ended is None else milliseconds(run.started_at, ended),
        "provider": run.provider,
        "model": model,
        "turn_count": run.turn_count,
        "tokens": tokens,
        "cost_usd": cost,
        "cost_is_computed": is_computed,
        "error": _error_of(run, cutter),
        "input": cutter.optional(decoded(run.input)),
        "output": cutter.optional(decoded(run.output)),
        "metadata": cutter.optional(decoded(run.metadata) or None),
        "revision": run.revision,
    }


def run_answers(
    runs: Sequence[Run], states: RunStates, prices: PriceLookup | None
) -> list[RunAnswer]:
    """
    Describe runs for a list.
    """
    return [run_answer(run, states, prices, Cutter(MAX_RUN_TEXT)) for run in runs]


def latest_run(run: Run, states: RunStates) -> LatestRun:
    """
    Describe a session's latest run in a list of sessions.
    """
    error = _error_of(run, Cutter(MAX_RUN_TEXT))
    return {
        "id": run.id,
        "state": states.state(run),
        "started_at": time_text(run.started_at),
        "ended_at": optional_time(run.ended_at),
        "provider": run.provider,
        "model": model_of(run),
        "error": None if error is None else error["message"]["text"],
    }


def _error_of(run: Run, cutter: Cutter) -> RunError | None:
    if run.error is None:
        return None
    error = members(run.error)
    code, message = error.get("code"), error.get("message")
    return {
        "code": code if isinstance(code, str) else None,
        "message": cutter.json(message if message is not None else dict(error)),
        "data": cutter.json(dict(error)),
    }


def model_of(run: Run) -> str | None:
    """
    Return the model of a run.
    """
    model = members(run.provider_metadata).get("model")
    return model if isinstance(model, str) and model else None


def tokens_of(usage: Mapping[str, Any]) -> Tokens | None:
    """
    Return the tokens that a run's usage, or the data of an event, counts; None if none.
    """
    counts = [_count(usage.get(name)) for name in TOKEN_COUNTS]
    if all(count is None for count in counts):
        return None
    input_, output, total, read, written, reasoning = (each or 0 for each in counts)
    return {
        "input": input_,
        "output": output,
        "total": input_ + output if counts[2] is None else total,
        "cache_read": read,
        "cache_write": written,
        "reasoning": reasoning,
    }


def _count(value: object) -> int | None:
    # The data of an event is not checked by a store.
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def tokens_together(runs: Iterable[Run]) -> Tokens:
    """
    Return the tokens of runs, added up.
    """
    sums = dict.fromkeys(Tokens.__annotations__, 0)
    for run in runs:
        for name, count in (tokens_of(members(run.token_usage)) or {}).items():
            sums[name] += cast("int", count)
    return cast("Tokens", sums)


def tokens_in(totals: object) -> Tokens:
    """
    Return the same of totals, such as :class:`~asm_async.values.summaries.TokenTotals`.
    """
    found = cast("Any", totals)
    return {
        "input": found.input_tokens,
        "output": found.output_tokens,
        "total": found.total_tokens,
        "cache_read": found.cache_read_tokens,
        "cache_write": found.cache_write_tokens,
        "reasoning": found.reasoning_tokens,
    }


def cost_of(
    tokens: Tokens,
    prices: PriceLookup | None,
    provider: str | None,
    model: str | None,
) -> float | None:
    """
    Return what tokens cost by a price list; None where it has no price for them.
    """
    price = None if prices is None else prices(provider, model)
    if price is None or not (tokens["input"] or tokens["output"]):
        return None
    return price.cost_of(
        tokens["input"],
        tokens["output"],
        cache_read_tokens=tokens["cache_read"],
        cache_write_tokens=tokens["cache_write"],
    )


def milliseconds(begin: datetime, end: datetime) -> float:
    """
    Return the time from *begin* to *end*; clocks of several hosts may make it 0.
    """
    return max(0.0, (end - begin).total_seconds() * 1_000)
