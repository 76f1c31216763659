"""
The rules of the state store, and of commits that have items.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from asm_async.testing.factories import NOON, make_item, make_session
from asm_async.testing.state_machine.choices import (
    EVENTS,
    LIMITS,
    NUMBERS,
    SESSION_IDS,
    TEXTS,
    EventChoice,
    Fields,
    build_event,
    some_of,
)
from asm_async.testing.state_machine.ports import Ports
from asm_async.testing.state_machine.twins import TwinMachine
from asm_async.values.changes import Changes
from asm_async.values.state_item import StateItem

__all__ = ["StateStoreRules"]

Name: TypeAlias = tuple[str, str]
Expectations: TypeAlias = dict[Name, str]

_SCOPES = st.sampled_from(["ses_1", "ses_1/plans", "app/b"])
_KEYS = st.sampled_from(["a", "ab", "a\U0001f600", "b"])
_PREFIXES = st.sampled_from(["", "a", "ab"])
_NAMES = st.tuples(_SCOPES, _KEYS)
_ITEMS = st.dictionaries(
    _NAMES,
    some_of(
        session_id=SESSION_IDS,
        data=st.integers(0, 1),
        content=st.sampled_from([b"", b"\0x"]),
    ),
    max_size=3,
)
# Each database counts revisions in its own way: what is expected is what was seen in
# it, nothing, or what was never there.
_EXPECTED = st.sampled_from(["seen", "nothing", "another"])
_EXPECTATIONS = st.dictionaries(_NAMES, _EXPECTED, max_size=2)
_OPERATIONS = some_of(operation_id=st.sampled_from(["op_4", "op_5"]))


def _plain(item: StateItem) -> StateItem:
    """
    Return the item without what each database takes from its own clock and counter.
    """
    return attrs.evolve(item, revision=0, updated_at=NOON)


def _all_plain(items: Iterable[StateItem]) -> list[StateItem]:
    return [_plain(item) for item in items]


def _by_key(items: Mapping[str, StateItem]) -> list[tuple[str, StateItem]]:
    return [(key, _plain(item)) for key, item in items.items()]


def _items(chosen: Mapping[Name, Fields]) -> tuple[StateItem, ...]:
    return tuple(
        make_item(scope=scope, key=key, **fields)
        for (scope, key), fields in chosen.items()
    )


def _expecting(
    expected: Expectations, *, by_key: bool = False
) -> Callable[[Ports], Awaitable[Fields]]:
    """
    Return what gives the expectations as revisions of one database.
    """

    async def prepare(ports: Ports) -> Fields:
        assert ports.state_store is not None
        revisions: dict[Any, int] = {}
        for (scope, key), kind in expected.items():
            found = await ports.state_store.get_items(scope, [key])
            seen = found[key].revision if key in found else 0
            kinds = {"seen": seen, "nothing": 0, "another": seen + 1}
            revisions[key if by_key else (scope, key)] = kinds[kind]
        return {"expected_revisions": revisions}

    return prepare


class StateStoreRules(TwinMachine):
    """
    Saves, commits, deletions and reads of state items.
    """

    def save_first_contents(self) -> None:
        """
        Save some items, so that there is something to list and to remove.
        """
        super().save_first_contents()
        if self.has("state_store"):
            self.both("session_store", "save_session", make_session(id="ses_2"))
            items = [
                make_item(scope=scope, key=key, session_id=session_id)
                for scope, session_id in (("app/b", "ses_2"), ("ses_1", None))
                for key in ("a", "ab", "b")
            ]
            self.both("state_store", "save_items", items, seen_as=_all_plain)

    @precondition(lambda self: self.has("state_store"))
    @rule(
        chosen=_ITEMS,
        expected=_EXPECTATIONS,
        options=_OPERATIONS,
        keep_existing=st.booleans(),
    )
    def save_items(
        self,
        *,
        chosen: dict[Name, Fields],
        expected: Expectations,
        options: Fields,
        keep_existing: bool,
    ) -> None:
        """
        Save items, twice if the call has a name.
        """
        # To expect something again would make the repetition another call.
        prepare = _expecting({} if options else expected)
        for _ in range(2 if options else 1):
            self.both(
                "state_store",
                "save_items",
                _items(chosen),
                seen_as=_all_plain,
                prepared_by=prepare,
                keep_existing=keep_existing,
                **options,
            )

    @precondition(lambda self: self.has("state_store"))
    @rule(
        session_id=SESSION_IDS,
        batch=st.lists(EVENTS, max_size=2),
        chosen=_ITEMS,
        removed=st.lists(_NAMES, max_size=2, unique=True),
        expected=_EXPECTATIONS,
        options=some_of(expected_tenant=TEXTS, expected_sequence=NUMBERS),
    )
    def commit_items(
        self,
        *,
        session_id: str,
        batch: list[EventChoice],
        chosen: dict[Name, Fields],
        removed: list[Name],
        expected: Expectations,
        options: Fields,
    ) -> None:
        """
        Store events, save items and remove some, or some of these.
        """
        removed = [name for name in removed if name not in chosen]
        if not batch and not chosen and not removed:
            return
        if not batch:
            options.pop("expected_sequence", None)
        changes = Changes(
            events=tuple(build_event(session_id, event) for event in batch),
            items=_items(chosen),
            removed_items=tuple(removed),
        )
        self.both(
            "session_store",
            "commit",
            changes,
            seen_as=lambda done: (done.events, _all_plain(done.items)),
            prepared_by=_expecting(expected),
            **options,
        )

    @precondition(lambda self: self.has("state_store"))
    @rule(
        scope=_SCOPES,
        keys=st.lists(_KEYS, max_size=2),
        prefix=st.none() | _PREFIXES,
        expected=st.dictionaries(_KEYS, _EXPECTED, max_size=2),
    )
    def delete_items(
        self,
        *,
        scope: str,
        keys: list[str],
        prefix: str | None,
        expected: dict[str, str],
    ) -> None:
        """
        Remove items by key, by prefix, or both.
        """
        named = {(scope, key): kind for key, kind in expected.items()}
        self.both(
            "state_store",
            "delete_items",
            scope,
            prepared_by=_expecting(named, by_key=True),
            keys=keys,
            prefix=prefix,
        )

    @precondition(lambda self: self.has("state_store"))
    @rule(scope=_SCOPES)
    def delete_scope(self, scope: str) -> None:
        """
        Remove all of a scope.
        """
        self.both("state_store", "delete_scope", scope)

    @precondition(lambda self: self.has("state_store"))
    @rule(scope=_SCOPES, keys=st.lists(_KEYS, max_size=4))
    def get_items(self, scope: str, keys: list[str]) -> None:
        """
        Read items by key.
        """
        self.both("state_store", "get_items", scope, keys, seen_as=_by_key)

    @precondition(lambda self: self.has("state_store"))
    @rule(
        prefix=_PREFIXES,
        after=st.none() | _KEYS,
        before=st.none() | _KEYS,
        options=some_of(
            descending=st.booleans(), limit=LIMITS, with_content=st.booleans()
        ),
    )
    def list_items(
        self, *, prefix: str, after: str | None, before: str | None, options: Fields
    ) -> None:
        """
        List a part of each scope.
        """
        options = options | {"prefix": prefix, "after": after, "before": before}
        for scope in ("app/b", "ses_1", "ses_1/plans"):
            self.both("state_store", "list_items", scope, seen_as=_all_plain, **options)

    @precondition(lambda self: self.has("state_store"))
    @rule(
        session_id=SESSION_IDS,
        options=some_of(
            scope=_SCOPES,
            prefix=_PREFIXES,
            after=_NAMES,
            limit=LIMITS,
            with_content=st.booleans(),
            expected_tenant=TEXTS,
        ),
    )
    def list_session_items(self, session_id: str, options: Fields) -> None:
        """
        List what goes with a session, or a part of it.
        """
        self.both(
            "state_store",
            "list_session_items",
            session_id,
            seen_as=_all_plain,
            **options,
        )

    def compare_contents(self) -> None:
        """
        Compare the items of all scopes.
        """
        super().compare_contents()
        if self.has("state_store"):
            for scope in ("ses_1", "ses_1/plans", "app/b", "ses_2", "ses_2/plans"):
                self.both("state_store", "list_items", scope, seen_as=_all_plain)
