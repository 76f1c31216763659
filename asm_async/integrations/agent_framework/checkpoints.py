"""
The framework's checkpoints of workflows, as state items.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, cast

from agent_framework import WorkflowCheckpoint, WorkflowCheckpointException
from agent_framework._workflows._checkpoint_encoding import decode_checkpoint_value

from asm_async.errors import RevisionConflictError
from asm_async.integrations.agent_framework.checkpoint_values import encode
from asm_async.integrations.ids import safe_id
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.state_item import StateItem

_PREFIX = "agent-framework"
_PLACE = "place"
_SHOWN = ("previous_checkpoint_id", "iteration_count", "graph_signature_hash")


class AsmCheckpointStorage:
    """
    A ``CheckpointStorage`` of the framework, as state items of a store.

    A workflow can be resumed from any of its checkpoints, in any process that has the
    same workflow. A checkpoint is one item in the scope of its workflow's name, in the
    order of their times, and one more by which it is found by its id.

    **Atomicity.** A checkpoint is there whole, under its id and its workflow, or not at
    all. One that is saved again under its id replaces the former, also under another
    workflow's name. Of several calls that delete it exactly one returns True.

    **Security.** The framework's encoding pickles what is no JSON, and those who can
    write to the database could have code executed by a process that loads it. As in the
    framework's own storages only a set of types is loaded: plain ones, the framework's
    own, those of ``openai.types``, those registered by ``register_checkpoint_type``,
    and *allowed_checkpoint_types*. That narrows what can be done; it is no boundary.
    Save nothing that comes from strangers in a database that they can write to.

    Args:
        ports: Where the items are; those of a portal serve any event loop.

        namespace: Storages of other namespaces keep checkpoints of their own.

        allowed_checkpoint_types: More types to load, each as ``"module:qualname"``.

        session_id:
            A session of the store that the checkpoints go with when it is deleted for
            good, or erased; it must be there when one is saved.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        namespace: str = "default",
        allowed_checkpoint_types: Iterable[str] = (),
        session_id: str | None = None,
    ) -> None:
        self._runner = PortsRunner(ports)
        self._namespace = fields.text(namespace, "namespace")
        name = "allowed_checkpoint_types"
        types = fields.unique_texts(allowed_checkpoint_types, name)
        self._allowed_types = frozenset(types)
        self._session_id = fields.optional(session_id, "session_id", fields.text)

    @classmethod
    def from_url(cls, url: str, *, migrate: bool = True, **options: Any) -> Self:
        """
        Return a storage over a database, for any event loop, opened when it is used.

        Args:
            url: As for :func:`~asm_async.open_ports`.

            migrate: Bring the database's schema up to date first.

            options: What the class takes beside the ports.
        """
        make = partial(cls, **options)
        return open_adapter(url, make, migrate=migrate)

    async def aclose(self) -> None:
        """
        Close what :meth:`from_url` has opened; ports that were handed in stay open.
        """
        await self._runner.aclose()

    async def save(self, checkpoint: WorkflowCheckpoint) -> str:
        """
        Store a copy of a checkpoint, as it is when the call begins.

        Returns:
            Its id.

        Raises:
            WorkflowCheckpointException: If it cannot be encoded, could not be loaded
                again, or is longer than an item can be; nothing is stored.

            ValidationError: If it is no checkpoint.

            SessionNotFoundError: If the storage's session does not exist.
        """
        fields.instance(checkpoint, "checkpoint", WorkflowCheckpoint)
        item = self._item_of(checkpoint)
        await self._runner.run(partial(self._save, item, checkpoint.checkpoint_id))
        return checkpoint.checkpoint_id

    async def load(self, checkpoint_id: str) -> WorkflowCheckpoint:
        """
        Return the checkpoint of this id.

        Raises:
            WorkflowCheckpointException: If there is none, or one of its types is not
                allowed.
        """
        item = await self._runner.run(partial(self._find, checkpoint_id))
        if item is None:
            raise WorkflowCheckpointException(
                f"No checkpoint found with ID {checkpoint_id}"
            )
        return self._checkpoint_of(item)

    async def list_checkpoints(self, *, workflow_name: str) -> list[WorkflowCheckpoint]:
        """
        Return the checkpoints of a workflow, oldest first.

        Raises:
            WorkflowCheckpointException: If one of them has a type that is not allowed:
                none is left out.
        """
        items = await self._runner.run(partial(self._list, workflow_name))
        return [self._checkpoint_of(item) for item in items]

    async def list_checkpoint_ids(self, *, workflow_name: str) -> list[str]:
        """
        Return the ids of the checkpoints of a workflow, oldest first.
        """
        listing = partial(self._list, workflow_name, with_content=False)
        return [_id_of(item) for item in await self._runner.run(listing)]

    async def get_latest(self, *, workflow_name: str) -> WorkflowCheckpoint | None:
        """
        Return the checkpoint of a workflow with the latest time, None if there is none.

        Raises:
            WorkflowCheckpointException: If it has a type that is not allowed.
        """
        listing = partial(self._list, workflow_name, descending=True, limit=1)
        items = await self._runner.run(listing)
        return self._checkpoint_of(items[0]) if items else None

    async def delete(self, checkpoint_id: str) -> bool:
        """
        Remove the checkpoint of this id.

        Returns:
            Whether it was there.
        """
        return await self._runner.run(partial(self._delete, checkpoint_id))

    async def _save(self, item: StateItem, checkpoint_id: str) -> None:
        store = self._runner.ports.store
        place = StateItem(
            scope=self._scope_of_id(checkpoint_id),
            key=_PLACE,
            data=[item.scope, item.key],
            session_id=self._session_id,
        )
        # A new checkpoint, as it is nearly always, needs no look at what is stored.
        expected = {(place.scope, _PLACE): 0, (item.scope, item.key): 0}
        removed = list[tuple[str, str]]()
        while True:
            changes = Changes(items=(item, place), removed_items=tuple(removed))
            try:
                await store.commit(changes, expected_revisions=expected)
            except RevisionConflictError:
                known = await self._place(checkpoint_id)
                former = [] if known is None else [_place_in(known)]
                removed = [name for name in former if name != (item.scope, item.key)]
                expected = {(place.scope, _PLACE): known.revision if known else 0}
            else:
                return

    async def _delete(self, checkpoint_id: str) -> bool:
        store = self._runner.ports.store
        while place := await self._place(checkpoint_id):
            name = (place.scope, _PLACE)
            try:
                await store.commit(
                    Changes(removed_items=(name, _place_in(place))),
                    expected_revisions={name: place.revision},
                )
            except RevisionConflictError:
                continue
            return True
        return False

    async def _find(self, checkpoint_id: str) -> StateItem | None:
        revision = 0
        while place := await self._place(checkpoint_id):
            scope, key = _place_in(place)
            found = await self._runner.ports.state.get_items(scope, [key])
            if key in found:
                return found[key]
            if place.revision == revision:
                raise WorkflowCheckpointException(
                    f"Checkpoint {checkpoint_id} has lost its content: state item"
                    f" {key!r} of scope {scope!r} is missing"
                )
            # It was replaced meanwhile, by one of another time or workflow.
            revision = place.revision
        return None

    async def _place(self, checkpoint_id: str) -> StateItem | None:
        scope = self._scope_of_id(checkpoint_id)
        found = await self._runner.ports.state.get_items(scope, [_PLACE])
        return found.get(_PLACE)

    async def _list(self, workflow_name: str, **options: Any) -> list[StateItem]:
        scope = self._scope_of_workflow(workflow_name)
        return await self._runner.ports.state.list_items(scope, **options)

    def _scope_of_id(self, checkpoint_id: str) -> str:
        return safe_id(f"{_PREFIX}.checkpoint", self._namespace, checkpoint_id)

    def _scope_of_workflow(self, workflow_name: str) -> str:
        return safe_id(f"{_PREFIX}.workflow", self._namespace, workflow_name)

    def _item_of(self, checkpoint: WorkflowCheckpoint) -> StateItem:
        whole, checkpoint_id = checkpoint.to_dict(), checkpoint.checkpoint_id
        try:
            encoded = encode(whole)
            # What could not be loaded again is refused while its maker can help it.
            self._decoded(encoded)
            moment = _moment_of(checkpoint.timestamp)
            return StateItem(
                scope=self._scope_of_workflow(checkpoint.workflow_name),
                key=safe_id(moment, checkpoint_id),
                data={
                    "checkpoint_id": checkpoint_id,
                    "workflow_name": checkpoint.workflow_name,
                    "timestamp": checkpoint.timestamp,
                    **{name: whole[name] for name in _SHOWN},
                },
                content=json.dumps(encoded, separators=(",", ":")).encode("ascii"),
                session_id=self._session_id,
            )
        except WorkflowCheckpointException:
            raise
        except Exception as error:
            # Pickling calls methods of the application's, which may raise anything.
            raise WorkflowCheckpointException(
                f"Checkpoint {checkpoint_id} cannot be stored: {error}"
            ) from error

    def _checkpoint_of(self, item: StateItem) -> WorkflowCheckpoint:
        try:
            encoded = json.loads(item.content or b"")
            return WorkflowCheckpoint.from_dict(self._decoded(encoded))
        except (WorkflowCheckpointException, ValueError) as error:
            raise WorkflowCheckpointException(
                f"Checkpoint {_id_of(item)} cannot be loaded: {error}"
            ) from error

    def _decoded(self, encoded: Any) -> dict[str, Any]:
        decoded = decode_checkpoint_value(encoded, allowed_types=self._allowed_types)
        return cast("dict[str, Any]", decoded)


def _moment_of(timestamp: str) -> str:
    """
    Return a time so that later ones have greater texts; without a zone it is UTC.
    """
    moment = datetime.fromisoformat(timestamp)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def _id_of(item: StateItem) -> str:
    return cast("dict[str, str]", item.data)["checkpoint_id"]


def _place_in(place: StateItem) -> tuple[str, str]:
    scope, key = cast("list[str]", place.data)
    return scope, key
