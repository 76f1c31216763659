"""
What there is to say of a run, on one line.
"""

from __future__ import annotations

from asm_async.cli.event_texts import text_of
from asm_async.cli.screen import Span
from asm_async.cli.styles import QUIET, style_of
from asm_async.values.run import Run


def run_line(run: Run) -> list[str | Span]:
    """
    Return a run's id, model, status, tokens, cost and duration.
    """
    model = " ".join(filter(None, (run.provider, run.model)))
    figures = [
        model,
        f"{run.input_tokens:,} tokens in, {run.output_tokens:,} out"
        if run.token_usage
        else "",
        "" if run.cost_usd is None else shown_cost(run.cost_usd),
        duration_of(run),
    ]
    error = "" if run.error is None else text_of(run.error.get("message", run.error))
    return [
        ("run ", QUIET),
        run.id,
        " ",
        (run.status.value, style_of(run.status)),
        *((f", {figure}", QUIET) for figure in figures if figure),
        (f": {error}" if error else "", style_of(run.status)),
    ]


def duration_of(run: Run) -> str:
    """
    Return how long a run took; nothing while it is under way.
    """
    if run.ended_at is None:
        return ""
    return f"{(run.ended_at - run.started_at).total_seconds():,.1f} s"


def shown_cost(usd: float) -> str:
    """
    Write an amount of US dollars, small ones with more digits.
    """
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"
