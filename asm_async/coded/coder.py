"""
What is stored in place of what callers see, and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeAlias

import attrs

from asm_async.errors import UnreadableValueError
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

CodedValue: TypeAlias = Session | Run | Event | Artifact | StateItem
"""
What a coder is given, and returns.
"""


@attrs.frozen(kw_only=True)
class Removal:
    """
    Sessions that were removed for good.
    """

    session_ids: tuple[str, ...] = ()
    """
    Sessions that were named one by one.
    """

    tenant_id: str | None = None
    """
    The tenant, if all its sessions were removed.
    """

    user_id: str | None = None
    """
    The user, if all its sessions were removed; of *tenant_id* alone if that is given.
    """


class Coder:
    """
    Changes values before they are stored, and after they were read.

    :func:`~asm_async.coded.coded_ports` calls it for everything that goes into ports
    and comes out of them. A subclass overrides what it needs; this one changes nothing.

    **Fields.** Only these fields may change, by which nothing is found or counted: a
    session's *metadata* and *context*; a run's *input*, *output*, *error* and
    *metadata*, and of its *provider_metadata* all but the *model*; an event's *data*
    and *metadata*; an artifact's *metadata*; a state item's *data* and *content*. All
    others stay as they are, ids and times too. The result is a value of the same class,
    and holds JSON like any other.

    **The same again.** The same value is always encoded in the same way, so that a call
    can be repeated. Where that has changed since, such as with another key, an event
    that is stored already is known by what it is decoded to.

    **The library's own.** Records that the library keeps for itself are stored as
    they are: retractions, and state items in scopes that begin with ``asm.``.

    **Partial values.** A search without *context*, and a list of items without
    *content*, return values that have none; then there is nothing to decode.

    **Many at a time.** Each method gets all values of a call, of several classes. It
    decides itself how many it works on at once, and returns as many, in their order.

    **Cancellation.** A call may be cancelled at each ``await``, and repeated.
    """

    is_reversible: ClassVar[bool] = True
    """
    Whether decoding an event returns what was encoded: then events that were appended
    are returned to their caller without decoding them.
    """

    registers_artifacts: ClassVar[bool] = False
    """
    Whether :meth:`artifacts_of` may return any.
    """

    passes_text: ClassVar[bool] = False
    """
    Whether values may have the text of their JSON, as ``EncodedJSON``, in its place:
    so HTTP passes on long JSON, which is then neither decoded nor encoded again.
    """

    async def encode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Return the values to be stored in place of *values*.

        Its exceptions are raised to the caller, and nothing is stored.
        """
        return values

    async def decode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Return what callers see of *values*, which are stored.

        Raises:
            UnreadableValueError: If a value cannot be decoded, now or ever.

            StorageError: If what it needs is out of reach at present.
        """
        return values

    async def show(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Return what callers see of *values* where many are read, readable or not.

        It is called for followers, consumers, pages, lists and exports. Unless it is
        overridden, values that cannot be decoded together are decoded one by one.
        """
        try:
            return await self.decode(values)
        except UnreadableValueError:
            return [await self._show_one(value) for value in values]

    async def _show_one(self, value: CodedValue) -> CodedValue:
        try:
            (shown,) = await self.decode([value])
        except UnreadableValueError as error:
            return self.unreadable(value, error)
        return shown

    def unreadable(
        self,
        value: CodedValue,  # noqa: ARG002 - for those who override it
        error: UnreadableValueError,
    ) -> CodedValue:
        """
        Return what is shown in place of a stored *value* that cannot be decoded.
        """
        raise error

    def artifacts_of(self, events: Sequence[Event]) -> Sequence[Artifact]:  # noqa: ARG002 - for those who override it
        """
        Return the artifacts that are registered together with encoded *events*.

        They are registered in the same commit, or before it where events of several
        sessions are appended, or others are retracted.
        """
        return ()

    def is_own(self, artifact: Artifact) -> bool:  # noqa: ARG002 - for those who override it
        """
        Return whether an artifact is one of :meth:`artifacts_of`.

        Lists and exports leave it out, and imports register it again.
        """
        return False

    async def removed(self, removal: Removal) -> None:
        """
        Do what is to be done after sessions were removed for good.

        It is called after ``delete_session`` and after ``erase``, once the database
        holds nothing of them; a call that fails before may be repeated.
        """
