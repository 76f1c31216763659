"""
The sessions of the transcripts of the Claude Agent SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.integrations.ids import safe_id
from asm_async.values import fields
from asm_async.values.session import Session, SessionStatus

AGENT_ID = "claude-agent"
"""
The ``agent_id`` of sessions that are main transcripts.
"""

SUBAGENT_ID = "claude-agent-subagent"
"""
The ``agent_id`` of sessions that are transcripts of subagents.
"""

_MEMBER = "claude_agent"


def tenant_of(project_key: str) -> str:
    """
    Return the tenant that a project's sessions are of: its key, where that can be one.
    """
    try:
        return fields.text(project_key, "project_key")
    except ValidationError:
        return safe_id(AGENT_ID, project_key)


def facts_of(session: Session) -> Mapping[str, Any]:
    """
    Return what the adapter keeps with a session: its key, and its summary.
    """
    facts = session.metadata.get(_MEMBER)
    return cast("Mapping[str, Any]", facts) if isinstance(facts, dict) else {}


@attrs.frozen
class TranscriptKey:
    """
    The key of a transcript, checked.
    """

    project_key: str
    session_id: str
    subpath: str | None = None

    @classmethod
    def of(cls, key: object) -> Self:
        """
        Accept a key of the SDK's.

        Raises:
            ValidationError: Naming the member that is wrong.
        """
        if not isinstance(key, Mapping):
            raise fields.unexpected("key", "an object", key)
        members = cast("Mapping[str, object]", key)
        project_key = _text_at(members, "project_key")
        session_id = _text_at(members, "session_id")
        if members.get("subpath") is None:
            return cls(project_key, session_id)
        subpath = _text_at(members, "subpath")
        if not subpath:
            raise ValidationError(
                "key['subpath']: it is empty; a main transcript's key has none"
            )
        return cls(project_key, session_id, subpath)

    @property
    def main(self) -> TranscriptKey:
        """
        The key of the main transcript that this one belongs to.
        """
        return attrs.evolve(self, subpath=None)

    @property
    def asm_id(self) -> str:
        """
        The id of the session.
        """
        return safe_id(AGENT_ID, *self.parts)

    @property
    def parts(self) -> tuple[str, ...]:
        """
        The texts that it consists of.
        """
        below = () if self.subpath is None else (self.subpath,)
        return (self.project_key, self.session_id, *below)

    @property
    def plain(self) -> dict[str, str]:
        """
        The key as it is kept with the session.
        """
        names = ("project_key", "session_id", "subpath")
        return dict(zip(names, self.parts, strict=False))

    def is_of(self, session: Session) -> bool:
        """
        Return whether a session is this one, or one below this one.
        """
        return self.plain.items() <= facts_of(session).items()

    def new_session(self, user_id: str | None) -> Session:
        """
        Return the session with nothing in it yet.
        """
        is_main = self.subpath is None
        session = Session.new(
            id=self.asm_id,
            agent_id=AGENT_ID if is_main else SUBAGENT_ID,
            tenant_id=tenant_of(self.project_key),
            user_id=user_id,
            parent_session_id=None if is_main else self.main.asm_id,
        )
        return self.with_facts(session.update_status(SessionStatus.ACTIVE))

    def with_facts(self, session: Session, **facts: Any) -> Session:
        """
        Return a session with the key, and other *facts*, in its metadata.
        """
        known = {**facts_of(session), **self.plain, **facts}
        return session.with_metadata(**{_MEMBER: known})


def _text_at(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise fields.unexpected(f"key[{name!r}]", "text", value)
    return value
