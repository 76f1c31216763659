"""
Copies of what callers hand in, which nobody else holds: checked again, ready to store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.registering import checked_artifact
from asm_async.fronts.saving_items import ItemsToSave
from asm_async.fronts.state_store import check_number_of_scopes, checked_save
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.changes import Changes
from asm_async.values.event import EventSnapshot, event_snapshots
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session

V = TypeVar("V", Session, Run)


@attrs.frozen(kw_only=True)
class ChangesSnapshot:
    """
    Changes that nobody else holds, as :class:`~asm_async.values.changes.Changes`.
    """

    session_id: str | None
    session: Session | None = None
    create_session: Session | None = None
    runs: tuple[Run, ...] = ()
    batch: Sequence[EventSnapshot] = ()
    artifacts: tuple[Artifact, ...] = ()
    save: ItemsToSave | None = None
    """
    The items to be saved and removed, and what is expected of any; None if there are
    none of these.
    """

    @property
    def may_replace(self) -> bool:
        """
        Whether something is saved or removed that may be there already.
        """
        items = self.save and (self.save.items or self.save.removed)
        return bool(self.session or self.runs or items)

    @property
    def is_events_alone(self) -> bool:
        """
        Whether nothing but events is stored, and nothing expected of state items.
        """
        others = self.create_session, self.save, self.artifacts, self.may_replace
        return not any(others)


def checked_session(session: object, name: str) -> Session:
    """
    Copy a session that may be saved.

    Raises:
        ValidationError: If it is none, or carries what only the store gives.
    """
    if not isinstance(session, Session):
        raise fields.unexpected(name, "a Session", session)
    if session.deleted_at is not None:
        raise ValidationError(
            f"{name}: {session.id!r} has deleted_at, which only the store sets"
        )
    return _copy(session, name)


def checked_run(run: object, name: str) -> Run:
    """
    Copy a run that may be saved.

    Raises:
        ValidationError: If it is none.
    """
    if not isinstance(run, Run):
        raise fields.unexpected(name, "a Run", run)
    return _copy(run, name)


def checked_result(result: object) -> ChangesSnapshot:
    """
    Copy what is to be flushed.

    Raises:
        ValidationError: Naming what is wrong, as a part of *result*.
    """
    if not isinstance(result, ExecutionResult):
        raise fields.unexpected("result", "an ExecutionResult", result)
    try:
        session, run = result.session, result.run
        if session is not None:
            session = checked_session(session, "session")
        if run is not None:
            run = checked_run(run, "run")
        if result.provider_metadata:
            # It may have been spoilt since it was laid over the run's own.
            run = attrs.evolve(result, session=session, run=run).run
        return ChangesSnapshot(
            session_id=result.session_id,
            session=session,
            runs=() if run is None else (run,),
            batch=event_snapshots(result.events, "events"),
        )
    except ValidationError as error:
        raise ValidationError(f"result.{error}") from None


def checked_changes(changes: object, expected: Expectations) -> ChangesSnapshot:
    """
    Copy what is to be committed.

    Raises:
        ValidationError: Naming what is wrong, as a part of *changes*.
    """
    if not isinstance(changes, Changes):
        raise fields.unexpected("changes", "Changes", changes)
    session, created = changes.session, changes.create_session
    try:
        return ChangesSnapshot(
            session_id=changes.session_id,
            session=session and checked_session(session, "session"),
            create_session=created and checked_session(created, "create_session"),
            runs=tuple(
                checked_run(run, f"runs[{index}]")
                for index, run in enumerate(changes.runs)
            ),
            batch=event_snapshots(changes.events, "events"),
            artifacts=tuple(
                checked_artifact(artifact, f"artifacts[{index}]")
                for index, artifact in enumerate(changes.artifacts)
            ),
            save=_checked_items(changes, expected),
        )
    except ValidationError as error:
        raise ValidationError(f"changes.{error}") from None


def _checked_items(changes: Changes, expected: Expectations) -> ItemsToSave | None:
    of_items = expected.of_items
    if not changes.items and not changes.removed_items and not of_items:
        return None
    save = checked_save(
        changes.items,
        "items",
        keep_existing=False,
        expected=of_items,
        operation_id=expected.operation_id,
        removed=changes.removed_items,
    )
    check_number_of_scopes(save)
    return save


def _copy(value: V, name: str) -> V:
    try:
        return attrs.evolve(value)
    except ValidationError as error:
        raise ValidationError(f"{name}.{error}") from None
