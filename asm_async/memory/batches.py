"""
How work on many sessions is divided, so that agents come in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from asm_async.ports.maintenance_arguments import sessions_a_batch
from asm_async.values.retention import RetentionPolicy

__all__ = ["batches_of"]

T = TypeVar("T")


def batches_of(members: Sequence[T], policy: RetentionPolicy) -> Iterator[Sequence[T]]:
    """
    Cut *members* into batches of *policy.batch_size*.
    """
    size = sessions_a_batch(policy)
    for start in range(0, len(members), size):
        yield members[start : start + size]
