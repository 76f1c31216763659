"""
ADK's state as state items: one item for each key, in three scopes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

import attrs
from google.adk.sessions.state import State
from pydantic_core import to_jsonable_python

from asm_async.errors import ValidationError
from asm_async.integrations.records.adk_names import (
    OWN_KEYS,
    UPDATE_KEY,
    SessionName,
    is_odd,
)
from asm_async.integrations.records.adk_state import state_item, update_item
from asm_async.values import fields
from asm_async.values.state_item import StateItem

_LOG = logging.getLogger(__name__)


def items_of(
    name: SessionName, state: Mapping[str, Any], place: str
) -> list[StateItem]:
    """
    Return the items that hold some keys of a state; ``temp:`` keys are left out.

    A value that has no form in JSON, such as a function, is stored as its text, and a
    warning is logged, as ADK's own services do.

    Args:
        name: The session, whose own keys go with it.

        state: Keys with their prefixes, and their values.

        place: What stands before the key in an error.

    Raises:
        ValidationError: Naming the key whose value cannot be stored.
    """
    items: list[StateItem] = []
    for given, value in state.items():
        key = fields.instance(given, f"{place}[{given!r}]", str)
        if key.startswith(State.TEMP_PREFIX):
            continue
        try:
            items.append(_item(name, key, json_of(value, key)))
        except ValidationError as error:
            raise ValidationError(f"{place}[{key!r}]: {error}") from error
    return items


@attrs.frozen
class Update:
    """
    The last update of a session, of which its own state is.
    """

    time: float
    """
    When it was, by ADK.
    """

    last_event_id: str
    """
    The id of the event that was then the last one in the store.
    """

    def item(self, name: SessionName) -> StateItem:
        """
        Return the item that tells of the update, saved with all that it has changed.
        """
        return update_item(name, self.time, self.last_event_id)


def update_in(items: Iterable[StateItem]) -> Update | None:
    """
    Return the last update of a session, by the items of its scope.
    """
    for item in items:
        if item.key == UPDATE_KEY:
            data = cast("dict[str, Any]", item.data)
            return Update(data["last_update_time"], data["last_event_id"])
    return None


def state_of(items: Iterable[StateItem], prefix: str = "") -> dict[str, Any]:
    """
    Return the state that the items of one scope hold, with *prefix* before its keys.
    """
    state: dict[str, Any] = {}
    for item in items:
        if is_odd(item.key):
            named = cast("dict[str, Any]", item.data)
            state[f"{prefix}{named['key']}"] = named["value"]
        elif not item.key.startswith(OWN_KEYS):
            state[f"{prefix}{item.key}"] = item.data
    return state


def json_of(value: object, place: str) -> Any:
    """
    Return a value as plain JSON; what has no such form, as text.

    Raises:
        ValidationError: If even that cannot be made.
    """
    try:
        return to_jsonable_python(value)
    except Exception as error:  # noqa: BLE001 - a value's own code may raise anything
        # What it says may hold the value.
        kind = type(error).__name__
        _LOG.warning("%r has no form in JSON: its text is stored (%s)", place, kind)
    try:
        return to_jsonable_python(value, serialize_unknown=True)
    except Exception as error:
        raise ValidationError(f"this cannot be stored as JSON: {error}") from error


def _item(name: SessionName, key: str, value: Any) -> StateItem:
    scope, session_id, bare = _placed(name, key)
    return state_item(scope, bare, value, session_id)


def _placed(name: SessionName, key: str) -> tuple[str, str | None, str]:
    """
    Return a key's scope, the session that its item goes with, and the bare key.
    """
    if key.startswith(State.APP_PREFIX):
        return name.app_scope, None, key.removeprefix(State.APP_PREFIX)
    if key.startswith(State.USER_PREFIX):
        return name.user_scope, None, key.removeprefix(State.USER_PREFIX)
    return name.id, name.id, key
