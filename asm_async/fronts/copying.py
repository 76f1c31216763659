"""
Whether a session may be copied, by what is stored: the rules of all backends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from asm_async.errors import (
    ConflictError,
    SessionDeletedError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.snapshots import checked_session
from asm_async.ports.state_store import MAX_SCOPES_PER_CALL
from asm_async.values import fields
from asm_async.values.retraction import Ranges, hidden_ranges, merged, without_ranges
from asm_async.values.session import Session
from asm_async.values.state_item import OWN_SCOPES, check_users_scope, item_shown


@attrs.frozen(kw_only=True)
class SessionCopy:
    """
    What one call of ``copy_session`` asks for.
    """

    source_id: str
    target: Session
    """
    The copy as it is stored: with the source as its parent, and at its first revision.
    """

    through: int | None
    scopes: Mapping[str, str]
    expected: Expectations

    def scope_of(self, scope: str) -> str | None:
        """
        Return the scope of the copies of the items that a scope of the source has.

        Returns:
            None if they are not copied. It may be none that :meth:`check_scope` lets
            pass.
        """
        if scope.startswith(OWN_SCOPES):
            return None
        if (given := self.scopes.get(scope)) is not None:
            return given
        if not _is_under(scope, self.source_id):
            return None
        return self.target.id + scope.removeprefix(self.source_id)

    def check_scope(self, scope: str, made: str) -> None:
        """
        Refuse that the items of *scope* come under one that no user's item may have.

        Raises:
            ConflictError: Naming both.
        """
        if len(made) > fields.MAX_TEXT_LENGTH or made.startswith(OWN_SCOPES):
            raise ConflictError(
                f"the items of scope {scope!r} would be copied to scope {made!r}, which"
                " is reserved or too long: name another scope in scopes"
            )


def checked_copy(
    source_id: object,
    target: object,
    through: object,
    scopes: object,
    expected: Expectations,
) -> SessionCopy:
    """
    Check what can be checked of a copy without looking at what is stored.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """
    source_id = fields.text(source_id, "source_id")
    session = checked_session(target, "target")
    expected.check_session(session, "target")
    if session.id == source_id:
        raise ValidationError(
            f"target.id: {source_id!r} is the session to copy; the copy needs another"
            " id"
        )
    if session.parent_session_id not in {None, source_id}:
        raise ValidationError(
            f"target.parent_session_id: expected {source_id!r}, the session to copy,"
            f" got {session.parent_session_id!r}"
        )
    named = attrs.evolve(session, parent_session_id=source_id)
    return SessionCopy(
        source_id=source_id,
        target=named.with_given(1),
        through=fields.optional(through, "through", fields.count),
        scopes=_checked_scopes(scopes, session.id),
        expected=expected,
    )


def _checked_scopes(scopes: object, target_id: str) -> dict[str, str]:
    given = fields.mapping_of(scopes, "scopes", fields.text, fields.text)
    if len(given) > MAX_SCOPES_PER_CALL:
        raise ValidationError(
            f"scopes: expected up to {MAX_SCOPES_PER_CALL}, got {len(given)}"
        )
    sources: dict[str, str] = {}
    for scope, made in given.items():
        for one in (scope, made):
            check_users_scope(one, f"scopes[{scope!r}]")
        # Two scopes that become one could have items of the same key.
        other = sources.setdefault(made, scope)
        if other != scope:
            raise ValidationError(
                f"scopes[{scope!r}]: the items of {other!r} are copied to {made!r}"
                " already"
            )
        if _is_under(made, target_id):
            raise ValidationError(
                f"scopes[{scope!r}]: scopes that are named after the source are copied"
                f" to {made!r} already"
            )
    return given


def _is_under(scope: str, session_id: str) -> bool:
    return scope == session_id or scope.startswith(f"{session_id}/")


def item_is_there(scope: str, key: str) -> ConflictError:
    """
    Return the error for a copy of an item whose scope and key another one has.
    """
    return ConflictError(
        f"{item_shown((scope, key))} exists already, and a copy does not overwrite it:"
        " name another scope in scopes"
    )


def is_repetition(
    copy: SessionCopy,
    stored: Session | None,
    operation_id: str | None,
    *,
    is_whole: bool,
) -> bool:
    """
    Return whether this very operation has made the copy, and nobody saved it since.

    Args:
        copy: What is asked for; there is or was a session of the target's id.

        stored: That session, if it is there.

        operation_id: The operation that saved it last.

        is_whole: Whether it is there as a whole.

    Returns:
        False if a part of the copy is there, to go on with.

    Raises:
        ConflictError: If the id is that of something else.
    """
    target_id = copy.target.id
    if stored is None:
        raise ConflictError(
            f"session {target_id!r} was hard-deleted, and its numbers are never used"
            " again: give the copy an id that no session ever had"
        )
    if operation_id != copy.expected.operation_id:
        raise ConflictError(
            f"session {target_id!r} exists already: give the copy another id"
        )
    if not is_whole:
        return False
    if stored.deleted_at is not None:
        raise SessionDeletedError(target_id)
    if not stored.has_same_content(copy.target):
        raise ConflictError(
            f"operation_id: {operation_id!r} was used for another copy; give each"
            " operation an id of its own"
        )
    return True


def check_source(copy: SessionCopy, tenant_id: str | None, latest: int) -> int:
    """
    Refuse to copy from another tenant's session, or what is not there.

    Returns:
        The last number to copy.

    Raises:
        ConflictError: Saying why.
    """
    if copy.target.tenant_id != tenant_id:
        raise ConflictError(
            f"session {copy.source_id!r} belongs to tenant {tenant_id!r}: expected the"
            f" same tenant of its copy, got {copy.target.tenant_id!r}"
        )
    through = latest if copy.through is None else copy.through
    if through > latest:
        raise ConflictError(
            f"session {copy.source_id!r} is at sequence number {latest}: it has no"
            f" event {through} to copy through"
        )
    return through


async def check_visibility(
    copy: SessionCopy,
    through: int,
    hidden: Ranges,
    later: Mapping[str, Any],
    has_events: Callable[[Ranges], Awaitable[bool]],
) -> None:
    """
    Refuse a copy in which pruning would bring back what is hidden in the source.

    Args:
        copy: What is asked for.

        through: The last number to copy.

        hidden: What the latest retraction up to it hides, which is copied.

        later: The *data* of the first retraction behind it, which is not. What this
            hides beside its own events must be hidden by the earlier one; if it is not,
            one in between was pruned, and nobody knows on which side it stood.

        has_events: Returns whether any event of some ranges is stored.

    Raises:
        UnsupportedOperationError: If it cannot be known what is hidden at *through*.
    """
    known = merged([*hidden, (later["first"], later["last"]), (through + 1, 2**53)])
    lost = without_ranges(hidden_ranges(later), known)
    if lost and await has_events(lost):
        raise UnsupportedOperationError(
            f"session {copy.source_id!r}: a retraction was pruned, so that it is"
            f" unknown which events were hidden at sequence number {through}; copy"
            " through a later one"
        )
