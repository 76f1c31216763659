from __future__ import annotations

from typing import Any

import pytest

from asm_async.sql.core.rows import run_row
from asm_async.testing.factories import make_run
from asm_async.values.fields import MAX_COUNT


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({}, (0, 0, 0)),
        ({"input_tokens": 3}, (3, 0, 3)),
        ({"input_tokens": 3, "output_tokens": 4}, (3, 4, 7)),
        ({"input_tokens": 3, "output_tokens": 4, "total_tokens": 9}, (3, 4, 9)),
        ({"input_tokens": 3, "output_tokens": 4, "total_tokens": 0}, (3, 4, 0)),
        ({"total_tokens": 9, "reasoning": "much"}, (0, 0, 9)),
        (
            {"input_tokens": MAX_COUNT, "output_tokens": MAX_COUNT},
            (MAX_COUNT, MAX_COUNT, 2 * MAX_COUNT),
        ),
    ],
)
def test_missing_counts_are_zero_and_a_missing_total_is_their_sum(
    usage: dict[str, Any], tokens: tuple[int, int, int]
) -> None:
    """
    A run tells its tokens, and a database keeps them, whatever its usage leaves out.
    """
    run = make_run(token_usage=usage)
    row = run_row(run)

    assert (run.input_tokens, run.output_tokens, run.total_tokens) == tokens
    assert (row["input_tokens"], row["output_tokens"], row["total_tokens"]) == tokens
