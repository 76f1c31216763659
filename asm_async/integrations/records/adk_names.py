"""
The ids, scopes and keys under which ADK's data is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import cast

import attrs

from asm_async.errors import ValidationError
from asm_async.integrations.ids import safe_id
from asm_async.values import fields
from asm_async.values.session import Session as StoredSession
from asm_async.values.session import SessionStatus
from asm_async.values.state_item import item_key

PREFIX = "adk"
"""
What the ids and scopes begin with.
"""

OWN_KEYS = "asm."
"""
What the keys of items begin with that are no keys of ADK's state.
"""

UPDATE_KEY = f"{OWN_KEYS}session"
"""
The key of the item that says when a session was last updated.
"""

_OWN_IDS = f"{PREFIX}-"

CREATED_ID = f"{_OWN_IDS}created"
"""
The id of the event that an imported session begins with; none of ADK's can have it.
"""

_ODD_KEYS = f"{OWN_KEYS}key/"


@attrs.frozen
class SessionName:
    """
    What ADK calls a session: the same *session_id* of two users are two sessions.
    """

    app_name: str
    user_id: str
    session_id: str

    @property
    def id(self) -> str:
        """
        The session's id in the store, and the scope of its own state.
        """
        return session_id_of(self.app_name, self.user_id, self.session_id)

    @property
    def app_scope(self) -> str:
        """
        The scope of what all sessions of the app share.
        """
        return state_scope_of(self.app_name)

    @property
    def user_scope(self) -> str:
        """
        The scope of what all sessions of the user share.
        """
        return state_scope_of(self.app_name, self.user_id)

    def new_session(self, created_at: datetime) -> StoredSession:
        """
        Return the session to be stored under this name.
        """
        begun = StoredSession.new(
            id=self.id,
            agent_id=text_for(self.app_name),
            user_id=text_for(self.user_id),
            metadata={"adk": attrs.asdict(self)},
            created_at=created_at,
        )
        return begun.update_status(SessionStatus.ACTIVE, at=created_at)

    @classmethod
    def of_stored(cls, session: StoredSession) -> SessionName | None:
        """
        Return what ADK calls a stored session; None if it is none of ADK's.
        """
        known: object = session.metadata.get(PREFIX)
        if not isinstance(known, dict):
            return None
        members = cast("dict[str, object]", known)
        found = [members.get(field.name) for field in attrs.fields(cls)]
        texts = [text for text in found if isinstance(text, str)]
        if len(texts) < len(found):
            return None
        name = cls(*texts)
        return name if name.id == session.id else None


def session_id_of(app_name: str, user_id: str, session_id: str) -> str:
    """
    Return the id under which the store has a session of ADK.

    It is ``adk/app/user/session``, with what cannot stand in an id encoded as
    :func:`~asm_async.integrations.ids.safe_id` does.

    Raises:
        ValidationError: If one of them is no text.
    """
    return safe_id(PREFIX, app_name, user_id, session_id)


def state_scope_of(app_name: str, user_id: str | None = None) -> str:
    """
    Return the scope of the state that an app's sessions share, or a user's in the app.

    That of a session alone has the session's id as its scope.

    Raises:
        ValidationError: If one of them is no text.
    """
    parts = (app_name,) if user_id is None else (app_name, user_id)
    return safe_id(PREFIX, *parts)


def text_for(name: str) -> str:
    """
    Return *name* itself where a field of ours can hold it, or what stands for it.
    """
    return name if _is_text(name) else safe_id(f"{_OWN_IDS}name", name)


def event_id_of(event_id: str, index: int) -> str:
    """
    Return the id of the *index*-th of the events that one event of ADK becomes.
    """
    if index:
        return safe_id(f"{_OWN_IDS}part", event_id, str(index))
    if _is_text(event_id) and not event_id.startswith(_OWN_IDS):
        return event_id
    return safe_id(f"{_OWN_IDS}event", event_id)


def run_ids_of(session_id: str, invocation_id: str) -> Iterator[str]:
    """
    Yield the ids that the run of an invocation may have: the first that is free.

    Invocations are named at random, so that the first is; but the events of one may
    have been copied into another session, and a run belongs to one session.
    """
    if _is_text(invocation_id) and not invocation_id.startswith(_OWN_IDS):
        yield invocation_id
    yield safe_id(f"{_OWN_IDS}run", session_id, invocation_id)


def item_key_of(key: str) -> str:
    """
    Return the key of the item for a key of ADK's state.

    That is the same, but for keys that no item can have, and those that begin as ours.
    """
    if not key.startswith(OWN_KEYS):
        try:
            return item_key(key, "key")
        except ValidationError:
            pass
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_ODD_KEYS}{digest}"


def is_odd(key: str) -> bool:
    """
    Return whether an item's key stands for one of ADK's that its data has to name.
    """
    return key.startswith(_ODD_KEYS)


def _is_text(name: str) -> bool:
    try:
        fields.text(name, "name")
    except ValidationError:
        return False
    return True
