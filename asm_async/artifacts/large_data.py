"""
Large members of events' data that are kept in an artifact store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

from asm_async.coded import CodedValue, Coder, coded_ports
from asm_async.errors import (
    ArtifactDamagedError,
    ArtifactNotFoundError,
    UnreadableValueError,
)
from asm_async.fronts.loop_share import LoopShare, in_steps
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.json_values import EncodedJSON, decode_json, encode_json, step_to
from asm_async.values.moved_data import (
    UNREADABLE,
    MovedMember,
    Parts,
    artifacts_of,
    chosen_members,
    is_of_data,
    joined,
    looks_moved,
    may_hold_references,
    reference_of,
)

T = TypeVar("T")
R = TypeVar("R")

MAX_CONTENTS_AT_ONCE = 8
"""
How many contents one call puts or reads at the same time.
"""

# In ASCII a character takes up to so many bytes, or twelve beyond the first plane.
_MAX_BYTES_PER_CHARACTER = 12


def large_data(
    ports: Ports, *, contents: ArtifactStore, above: int = 64 * 1024
) -> Ports:
    """
    Return ports in front of others, that keep large data of events elsewhere.

    A member of an event's *data* whose JSON is longer than *above* bytes is put into
    *contents*, and registered as an artifact of the event's session in the same commit
    as the event; a reference with its digest and size takes its place. Reading returns
    the whole event, after its content was compared with the digest.

    Copies and exports of a session have its large data. After a session is removed, its
    contents are removed like others of artifacts: by ``erase``, if *contents* is passed
    to it, and by
    :func:`~asm_async.artifacts.remove_unnamed_contents`.

    Args:
        ports: Where all else goes; closed with these.

        contents: Where the large members go; it stays open.

        above: The size, in bytes of JSON, above which a member is kept there. It may
            change at any time: stored events stay readable.

    Raises:
        ValidationError: If an argument is something else.
    """
    return coded_ports(ports, LargeDataCoder(contents=contents, above=above))


class LargeDataCoder(Coder):
    """
    Puts large members of events' data into an artifact store, and reads them back.

    Args:
        contents: As for :func:`large_data`.

        above: As there.
    """

    registers_artifacts: ClassVar[bool] = True
    passes_text: ClassVar[bool] = True

    def __init__(self, *, contents: ArtifactStore, above: int = 64 * 1024) -> None:
        if not callable(getattr(contents, "list_checksums", None)):
            raise fields.unexpected("contents", "an ArtifactStore", contents)
        self._contents = contents
        self._above = fields.count(above, "above")

    async def encode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Put the large members of events.
        """

        async def put(chosen: _Chosen) -> Any:
            reference = await self._put(chosen.member)
            return reference.to_json()

        return await _with_changed(
            values, self._is_large, put, may_be_chosen=self._may_be_large
        )

    async def decode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Read the large members of events back.

        Raises:
            UnreadableValueError: Naming an event and a member whose content is gone or
                altered.
        """
        return await self._read_all(values, is_lenient=False)

    async def show(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Read the large members of events back, and say of each which is gone.
        """
        return await self._read_all(values, is_lenient=True)

    def artifacts_of(self, events: Sequence[Event]) -> Sequence[Artifact]:
        """
        Return the artifacts of the large members.
        """
        return [artifact for event in events for artifact in artifacts_of(event)]

    def is_own(self, artifact: Artifact) -> bool:
        """
        Return whether an artifact is a large member.
        """
        return is_of_data(artifact)

    def _is_large(self, member: object) -> bool:
        # What looks like a reference would be taken for one when it is read.
        if type(member) is EncodedJSON:
            return len(member) > self._above or looks_moved(member)
        if looks_moved(member):
            return True
        if isinstance(member, str):
            if len(member) > self._above:
                return True
            if _MAX_BYTES_PER_CHARACTER * len(member) + 2 <= self._above:
                return False
        return len(encode_json(member)) > self._above

    def _may_be_large(self, text: str) -> bool:
        return len(text) > self._above or may_hold_references(text)

    async def _put(self, member: object) -> MovedMember:
        content = await self._contents.put(encode_json(member).encode("ascii"))
        return MovedMember(sha256=content.checksum_sha256, bytes=content.byte_size)

    async def _read_all(
        self, values: Sequence[CodedValue], *, is_lenient: bool
    ) -> Sequence[CodedValue]:

        async def read(chosen: _Chosen) -> Any:
            moved = cast("MovedMember", reference_of(chosen.member))
            try:
                text = await self._read(chosen.event, chosen.name, moved)
            except UnreadableValueError as error:
                if not is_lenient:
                    raise
                return _shown_instead(moved, error)
            data: Any = chosen.event.data
            return text if type(data) is EncodedJSON else decode_json(text)

        return await _with_changed(
            values, _is_reference, read, may_be_chosen=may_hold_references
        )

    async def _read(self, event: Event, name: str, moved: MovedMember) -> EncodedJSON:
        try:
            content = await self._contents.get(moved.sha256)
        except ArtifactNotFoundError:
            reason = f"the artifact store has no content {moved.sha256!r}"
        except ArtifactDamagedError as error:
            reason = str(error)
        else:
            return EncodedJSON(content.decode("ascii"))
        raise UnreadableValueError(
            reason,
            subject=f"event {event.id!r} of session {event.session_id!r}",
            member=f"data{step_to(name)}",
        )


def _shown_instead(moved: MovedMember, error: UnreadableValueError) -> dict[str, Any]:
    shown = {"reason": error.reason, "sha256": moved.sha256, "bytes": moved.bytes}
    return {UNREADABLE: shown}


def _is_reference(member: object) -> bool:
    return reference_of(member) is not None


class _Chosen(NamedTuple):
    """
    A member of an event that something else is to take the place of.
    """

    event: Event
    name: str
    member: Any


async def _with_changed(
    values: Sequence[CodedValue],
    is_chosen: Callable[[object], bool],
    change: Callable[[_Chosen], Awaitable[Any]],
    *,
    may_be_chosen: Callable[[str], bool],
) -> Sequence[CodedValue]:
    """
    Return values, with other members in place of chosen ones of events' data.

    Args:
        values: Some of which are events.

        is_chosen: Chooses a member.

        change: Makes another member of it.

        may_be_chosen: As for :func:`chosen_members`.
    """
    share, parts_of = LoopShare(), dict[int, Parts]()
    chosen: list[tuple[int, _Chosen]] = []
    for index, event in enumerate(values):
        if not isinstance(event, Event):
            continue
        data: Any = event.data
        if type(data) is EncodedJSON:
            steps = chosen_members(data, is_chosen, may_be_chosen=may_be_chosen)
            parts = parts_of[index] = await in_steps(steps, share)
            members = [part for part in parts if isinstance(part, tuple)]
        else:
            members = [each for each in data.items() if is_chosen(each[1])]
        chosen += [(index, _Chosen(event, *member)) for member in members]
    made = await _all_of([each for _, each in chosen], change)
    replaced: dict[int, dict[str, Any]] = {}
    for (index, each), member in zip(chosen, made, strict=True):
        replaced.setdefault(index, {})[each.name] = member
    result = list(values)
    for index, others in replaced.items():
        event = cast("Event", result[index])
        whole: Any = (
            joined(parts_of[index], others)
            if index in parts_of
            else {**event.data, **others}
        )
        result[index] = event.with_json(whole, event.metadata)
    return result


async def _all_of(
    arguments: Sequence[T], call: Callable[[T], Awaitable[R]]
) -> Sequence[R]:
    """
    Call a function with each argument, a few at the same time; results in order.

    The first error ends the others.
    """
    results: dict[int, R] = {}
    left = iter(enumerate(arguments))

    async def work() -> None:
        for index, argument in left:
            results[index] = await call(argument)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in arguments[:MAX_CONTENTS_AT_ONCE]:
                group.create_task(work())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[index] for index in range(len(arguments))]
