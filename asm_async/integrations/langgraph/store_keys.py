"""
Namespaces and keys of LangGraph as keys of state items.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from langgraph.store.base import ListNamespacesOp, MatchCondition

Namespace: TypeAlias = tuple[str, ...]

# No label of a namespace has a period or is empty, so that the first pair of them ends
# the namespace, whatever the key has.
_BETWEEN = "."
_BEHIND = ".."


def item_key_of(namespace: Namespace, key: str) -> str:
    """
    Return the key of the state item of a namespace's *key*.

    What lies in namespaces that begin with the same labels lies side by side.
    """
    return f"{_BETWEEN.join(namespace)}{_BEHIND}{key}"


def place_of(item_key: str) -> tuple[Namespace, str]:
    """
    Return the namespace and the key that :func:`item_key_of` was given.
    """
    joined, _, key = item_key.partition(_BEHIND)
    return tuple(joined.split(_BETWEEN)) if joined else (), key


def prefix_of(labels: Sequence[str]) -> str:
    """
    Return what the items' keys begin with of all namespaces that begin with *labels*.
    """
    return "".join(f"{label}{_BETWEEN}" for label in labels)


def labels_before_wildcard(op: ListNamespacesOp) -> list[str]:
    """
    Return the labels that all namespaces begin with which an operation asks for.
    """
    longest: list[str] = []
    for condition in op.match_conditions or ():
        if condition.match_type == "prefix":
            path = list(condition.path)
            labels = path[: path.index("*")] if "*" in path else path
            longest = max(longest, labels, key=len)
    return longest


def select_namespaces(
    op: ListNamespacesOp, namespaces: Iterable[Namespace]
) -> list[Namespace]:
    """
    Return those of some namespaces that an operation asks for, in order.

    Raises:
        ValueError: If it asks for a kind of match that there is not.
    """
    conditions = op.match_conditions or ()
    found = {
        namespace[: op.max_depth]
        for namespace in namespaces
        if all(_matches(condition, namespace) for condition in conditions)
    }
    return sorted(found)[op.offset : op.offset + op.limit]


def _matches(condition: MatchCondition, namespace: Namespace) -> bool:
    path: Sequence[str] = condition.path
    labels: Sequence[str] = namespace
    if condition.match_type == "suffix":
        path, labels = path[::-1], labels[::-1]
    elif condition.match_type != "prefix":
        raise ValueError(f"there is no match type {condition.match_type!r}")
    return len(labels) >= len(path) and all(
        wanted in ("*", label) for wanted, label in zip(path, labels, strict=False)
    )
