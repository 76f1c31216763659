"""
Artifacts that are registered, found again, or refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, cast

import attrs
import pytest

from asm_async.errors import (
    ArtifactConflictError,
    ArtifactNotFoundError,
    SessionDeletedError,
    SessionNotFoundError,
    StoreClosedError,
    ValidationError,
)
from asm_async.ports.artifact_registry import MAX_CHECKSUMS, ArtifactRegistry
from asm_async.ports.session_store import SessionStore
from asm_async.testing.artifacts.contract import ArtifactRegistryContract
from asm_async.testing.backend import ArtifactRegistryBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import NOON, make_artifact, make_session
from asm_async.values.artifact import Artifact

__all__ = ["TestRegistrations"]

Call: TypeAlias = Callable[[ArtifactRegistry], Coroutine[Any, Any, object]]

_OTHER_CHECKSUM = "ab" * 32

# What makes two artifacts of one id different ones.
_CHANGES: Mapping[str, Any] = {
    "key": "other.txt",
    "byte_size": 1,
    "checksum_sha256": _OTHER_CHECKSUM,
    "storage_backend": "local",
    "storage_ref": "elsewhere",
    "session_id": None,
    "run_id": "run_1",
    "content_type": "text/html",
    "metadata": {"a": 1},
    "created_at": NOON + timedelta(microseconds=1),
}

_CALLS: Mapping[str, Call] = {
    "register": lambda registry: registry.register(make_artifact()),
    "get": lambda registry: registry.get("art_1"),
    "get_by_key": lambda registry: registry.get_by_key("report.txt"),
    "list_by_session": lambda registry: registry.list_by_session("ses_1"),
    "session_stats": lambda registry: registry.session_stats("ses_1"),
    "soft_delete": lambda registry: registry.soft_delete("art_1"),
    "hard_delete_expired": lambda registry: registry.hard_delete_expired(NOON),
    "named_checksums": lambda registry: registry.named_checksums([_OTHER_CHECKSUM]),
}

_REFUSED: Mapping[str, tuple[Call, str]] = {
    "no artifact": (lambda r: r.register(cast("Artifact", "art_1")), "artifact: "),
    "deleted_at": (
        lambda r: r.register(make_artifact(deleted_at=NOON)),
        "artifact: 'art_1' has deleted_at",
    ),
    "id": (lambda r: r.get("a\0b"), "artifact_id: "),
    "key": (lambda r: r.get_by_key(""), "key: "),
    "session": (lambda r: r.list_by_session(cast("str", 1)), "session_id: "),
    "limit": (lambda r: r.list_by_session("ses_1", limit=-1), "limit: "),
    "claim": (
        lambda r: r.list_by_session("ses_1", include_deleted=cast("bool", 1)),
        "include_deleted: ",
    ),
    "stats": (lambda r: r.session_stats("x" * 256), "session_id: "),
    "deletion": (lambda r: r.soft_delete("\ud800"), "artifact_id: "),
    "time": (
        lambda r: r.hard_delete_expired(NOON.replace(tzinfo=None)),
        "deleted_before: ",
    ),
    "checksum": (lambda r: r.named_checksums(["../../etc"]), r"checksums\[0\]: "),
    "checksums": (
        lambda r: r.named_checksums(
            [f"{number:064x}" for number in range(MAX_CHECKSUMS + 1)]
        ),
        "checksums: expected at most 1000",
    ),
}


class TestRegistrations(ArtifactRegistryContract):
    """
    An artifact is registered once, for a session that lives, or is refused.
    """

    @pytest.mark.usefixtures("session")
    async def test_an_artifact_comes_back_as_it_was_given(
        self, registry: ArtifactRegistry, backend: ArtifactRegistryBackend
    ) -> None:
        """
        By id and by key, from another registry, too.
        """
        given = make_artifact(
            run_id="run_1",
            metadata={"nul": "\0", "a": [1.0, 1]},
            storage_ref="x" * 2048,
        )
        assert await registry.register(given) == given
        for opened in (registry, await backend.open_artifact_registry()):
            assert await opened.get("art_1") == given
            assert await opened.get_by_key("report.txt") == given

    async def test_an_artifact_may_belong_to_no_session(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        It is found by id and key, and in no session's list.
        """
        given = make_artifact(session_id=None)
        assert await registry.register(given) == given
        assert await registry.get("art_1") == given

    @pytest.mark.usefixtures("session")
    async def test_what_is_handed_out_is_a_copy(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        Who changes the JSON in an artifact changes nothing that is stored.
        """
        given = make_artifact(metadata={"a": 1})
        registered = await registry.register(given)
        given.metadata["a"] = registered.metadata["a"] = 2
        (await registry.get("art_1")).metadata["a"] = 3
        assert (await registry.get("art_1")).metadata == {"a": 1}

    async def test_unknown_ids_and_keys_are_not_found(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        The error tells what was asked for.
        """
        for call in (
            registry.get("art_9"),
            registry.get_by_key("art_9"),
            registry.soft_delete("art_9"),
        ):
            with pytest.raises(ArtifactNotFoundError) as caught:
                await call
            assert caught.value.key == "art_9"

    @pytest.mark.usefixtures("session")
    async def test_registering_again_gives_what_is_stored(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        By its id, or by its key under a new id and at a later time.
        """
        first = await registry.register(make_artifact(metadata={"a": 1}))
        assert await registry.register(make_artifact(metadata={"a": 1})) == first
        later = attrs.evolve(first, id="art_2", created_at=NOON + timedelta(days=1))
        assert await registry.register(later) == first
        assert await registry.list_by_session("ses_1") == [first]

    @needs(Capability.UNIQUE_IDS, only=["session_id"])
    @pytest.mark.usefixtures("session")
    @pytest.mark.parametrize("field", _CHANGES)
    async def test_an_id_with_other_content_is_refused(
        self, registry: ArtifactRegistry, field: str
    ) -> None:
        """
        Whichever field it is that differs; nothing is changed.
        """
        first = await registry.register(make_artifact())
        with pytest.raises(ArtifactConflictError) as caught:
            await registry.register(make_artifact(**{field: _CHANGES[field]}))
        assert caught.value.subject == "artifact 'art_1'"
        assert caught.value.field.startswith(field)
        assert await registry.list_by_session("ses_1") == [first]

    @needs(Capability.UNIQUE_IDS, only=["session_id"])
    @pytest.mark.usefixtures("session")
    @pytest.mark.parametrize("field", sorted(_CHANGES.keys() - {"key", "created_at"}))
    async def test_a_key_with_other_content_is_refused(
        self, registry: ArtifactRegistry, field: str
    ) -> None:
        """
        Keys are unique, of all sessions together.
        """
        first = await registry.register(make_artifact())
        change = {"id": "art_2", field: _CHANGES[field]}
        with pytest.raises(ArtifactConflictError) as caught:
            await registry.register(make_artifact(**change))
        assert caught.value.subject == "key 'report.txt'"
        assert caught.value.field.startswith(field)
        assert await registry.list_by_session("ses_1") == [first]

    @pytest.mark.usefixtures("session")
    async def test_a_soft_deleted_artifact_keeps_id_and_key(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        Registering it again restores nothing, and nobody else gets its key.
        """
        await registry.register(make_artifact())
        deleted = await registry.soft_delete("art_1")
        assert await registry.register(make_artifact()) == deleted
        with pytest.raises(ArtifactConflictError):
            await registry.register(make_artifact(id="art_2", byte_size=1))
        assert await registry.get_by_key("report.txt") == deleted

    async def test_a_session_that_does_not_exist_gets_no_artifact(
        self, registry: ArtifactRegistry, store: SessionStore
    ) -> None:
        """
        Neither before it was saved nor after it was deleted.
        """
        with pytest.raises(SessionNotFoundError):
            await registry.register(make_artifact())
        await store.save_session(make_session())
        await store.delete_session("ses_1")
        with pytest.raises(SessionNotFoundError):
            await registry.register(make_artifact())
        with pytest.raises(ArtifactNotFoundError):
            await registry.get("art_1")

    @pytest.mark.usefixtures("session")
    async def test_a_soft_deleted_session_gets_no_artifact(
        self, registry: ArtifactRegistry, backend: ArtifactRegistryBackend
    ) -> None:
        """
        Not even one that it has already; what it has can be read.
        """
        first = await registry.register(make_artifact())
        await backend.soft_delete("ses_1")
        for refused in (make_artifact(), make_artifact(id="art_2", key="other.txt")):
            with pytest.raises(SessionDeletedError):
                await registry.register(refused)
        assert await registry.get("art_1") == first
        assert await registry.list_by_session("ses_1") == [first]
        await backend.restore("ses_1")
        assert await registry.register(make_artifact()) == first

    @pytest.mark.usefixtures("session")
    async def test_a_session_that_is_deleted_takes_its_artifacts_along(
        self, registry: ArtifactRegistry, store: SessionStore
    ) -> None:
        """
        A new session of its id has none of them, and their keys are free.
        """
        other = await registry.register(
            make_artifact(id="art_2", key="other.txt", session_id=None)
        )
        await registry.register(make_artifact())
        await store.delete_session("ses_1")
        with pytest.raises(ArtifactNotFoundError):
            await registry.get("art_1")
        await store.save_session(make_session())
        assert await registry.list_by_session("ses_1") == []
        changed = make_artifact(id="art_3", byte_size=7)
        assert await registry.register(changed) == changed
        assert await registry.get("art_2") == other

    @pytest.mark.usefixtures("session")
    async def test_named_checksums_are_those_of_artifacts(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        Soft-deleted ones among them; nothing asked is nothing found.
        """
        first = await registry.register(make_artifact())
        assert await registry.named_checksums([]) == set()
        asked = [first.checksum_sha256, _OTHER_CHECKSUM, first.checksum_sha256]
        assert await registry.named_checksums(asked) == {first.checksum_sha256}
        await registry.soft_delete("art_1")
        assert await registry.named_checksums(asked) == {first.checksum_sha256}

    async def test_every_method_of_the_port_is_tried(self) -> None:
        """
        The calls of the test below are all there are.
        """
        methods = {name for name in vars(ArtifactRegistry) if name[0] != "_"}
        assert set(_CALLS) == methods

    @pytest.mark.usefixtures("session")
    async def test_a_registry_belongs_to_the_loop_that_first_used_it(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        From another event loop every method refuses; in its own it goes on.
        """
        first = await registry.register(make_artifact())
        for call in _CALLS.values():
            with pytest.raises(StoreClosedError):
                await asyncio.to_thread(asyncio.run, call(registry))
        assert await registry.get("art_1") == first

    @pytest.mark.usefixtures("session")
    @pytest.mark.parametrize("case", _REFUSED)
    async def test_a_bad_argument_is_refused(
        self, registry: ArtifactRegistry, case: str
    ) -> None:
        """
        By its name, and nothing is stored.
        """
        call, message = _REFUSED[case]
        with pytest.raises(ValidationError, match=f"^{message}"):
            await call(registry)
        assert await registry.list_by_session("ses_1", include_deleted=True) == []
