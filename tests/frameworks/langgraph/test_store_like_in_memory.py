"""
Any sequence of operations has the results that it has with LangGraph's own store.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from asm_async.integrations.langgraph.store import AsmStore
from asm_async.portal import Portal

LABELS = st.sampled_from(["a", "b", "ab", "a-", "é", "*", "/"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
PREFIXES = st.lists(LABELS, max_size=2).map(tuple)
KEYS = st.sampled_from(["k", "", ".", "..", "a..b", "k.k", "%"])
NUMBERS = st.integers(-3, 3)
VALUES = st.fixed_dictionaries(
    {"n": NUMBERS}, optional={"s": st.text(max_size=3), "in": st.lists(NUMBERS)}
)
CONDITIONS = st.builds(
    MatchCondition, st.sampled_from(["prefix", "suffix"]), st.lists(LABELS).map(tuple)
)
OPERATORS = st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"])
FILTERS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "n": NUMBERS | st.dictionaries(OPERATORS, NUMBERS),
        "in": st.lists(NUMBERS, max_size=2),
        "s": st.text(max_size=1),
    },
)
OPS: st.SearchStrategy[Op] = st.one_of(
    st.tuples(NAMESPACES, KEYS, VALUES | st.none()).map(lambda put: PutOp(*put)),
    st.tuples(NAMESPACES, KEYS).map(lambda get: GetOp(*get)),
    st.tuples(PREFIXES, FILTERS).map(lambda search: SearchOp(*search, limit=1_000)),
    st.tuples(
        st.none() | st.lists(CONDITIONS, max_size=2).map(tuple),
        st.none() | st.integers(1, 3),
        st.integers(0, 5),
        st.integers(0, 3),
    ).map(lambda listing: ListNamespacesOp(*listing)),
)


def told(results: Iterable[Any]) -> list[Any]:
    """
    Return results without times, and what is found by searches in one order.
    """
    plain: list[Any] = []
    for result in results:
        if isinstance(result, Item):
            plain.append((result.namespace, result.key, result.value))
        elif result and isinstance(result[0], Item):
            plain.append(sorted(map(repr, told(result))))
        else:
            plain.append(result)
    return plain


def ordered(batch: list[Op]) -> list[Op]:
    """
    Put what lists namespaces first.

    The store in memory lists also those that a read has asked for, and the emptied.
    """
    return sorted(batch, key=lambda op: not isinstance(op, ListNamespacesOp))


@settings(
    max_examples=40,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
@given(batches=st.lists(st.lists(OPS, max_size=6).map(ordered), max_size=6))
def test_any_operations_do_what_they_do_in_memory(
    portal: Portal, batches: list[list[Op]]
) -> None:
    """
    Batches of puts, deletions, reads, searches and listings give equal results.
    """
    theirs = InMemoryStore()
    ours = AsmStore(portal.ports, name=f"{uuid.uuid4()}")
    for batch in batches:
        assert told(ours.batch(batch)) == told(theirs.batch(batch))
        for namespace in [each for each, items in theirs._data.items() if not items]:
            del theirs._data[namespace]
    whole = ours.search((), limit=1_000)
    assert told([whole]) == told([theirs.search((), limit=1_000)])
    pages = [ours.search((), limit=2, offset=at) for at in range(0, len(whole), 2)]
    assert [item for page in pages for item in page] == whole
