"""
The versions of ADK's artifacts, as state items: which there are, and what they hold.
"""

from __future__ import annotations

from typing import Any, cast

import attrs
from google.adk.artifacts import artifact_util
from google.adk.artifacts.base_artifact_service import ArtifactVersion

from asm_async.errors import ConflictError, SessionNotFoundError
from asm_async.integrations.ids import safe_id
from asm_async.integrations.records.adk_names import session_id_of
from asm_async.ports.state_store import StateStore
from asm_async.values.state_item import StateItem

USER_PREFIX = "user:"
"""
What the names of artifacts begin with that are a user's, and not one session's.
"""

_PREFIX = "adk-artifacts"
_MAX_ATTEMPTS = 64


@attrs.frozen
class ArtifactName:
    """
    What ADK calls an artifact.
    """

    app_name: str
    user_id: str
    filename: str
    session_id: str | None
    """
    None for one that is the user's.
    """

    @property
    def scope(self) -> str:
        """
        The scope of what is known of it, and of the others beside it.
        """
        return artifact_scope_of(self.app_name, self.user_id, self.session_id)

    @property
    def head_key(self) -> str:
        """
        The key of the item that counts its versions.
        """
        return safe_id("file", self.filename)

    @property
    def versions_prefix(self) -> str:
        """
        What the keys of its versions begin with.
        """
        return f"{safe_id('version', self.filename)}/"

    @property
    def stored_session_id(self) -> str | None:
        """
        The id under which the store has its session, if that is there.
        """
        if self.session_id is None:
            return None
        return session_id_of(self.app_name, self.user_id, self.session_id)

    def uri_of(self, version: int) -> str:
        """
        Return the reference to a version, as ADK writes it.
        """
        return artifact_util.get_artifact_uri(
            self.app_name, self.user_id, self.filename, version, self.session_id
        )


@attrs.frozen(kw_only=True)
class StoredVersion:
    """
    What is known of a version of an artifact.
    """

    part: dict[str, Any]
    """
    ADK's part, without what is content.
    """

    artifact_id: str | None
    """
    The artifact that has the content; None if the part is all there is.
    """

    mime_type: str | None
    custom_metadata: dict[str, Any]
    create_time: float
    version: int = 0

    def described(self, name: ArtifactName) -> ArtifactVersion:
        """
        Return what ADK is told of the version.
        """
        return ArtifactVersion(
            version=self.version,
            canonical_uri=name.uri_of(self.version),
            custom_metadata=self.custom_metadata,
            create_time=self.create_time,
            mime_type=self.mime_type,
        )


def artifact_scope_of(app_name: str, user_id: str, session_id: str | None) -> str:
    """
    Return the scope of what is known of the artifacts of a session, or of a user.
    """
    if session_id is None:
        return safe_id(_PREFIX, app_name, user_id)
    return safe_id(_PREFIX, app_name, user_id, session_id)


async def add_version(
    state: StateStore, name: ArtifactName, stored: StoredVersion
) -> int:
    """
    Add a version behind the latest one, and return its number: 0, 1, 2 and so on.

    Of any number of callers each has a number of its own, and none is left out.
    """
    session_id = name.stored_session_id
    for _ in range(_MAX_ATTEMPTS):
        head = (await state.get_items(name.scope, [name.head_key])).get(name.head_key)
        version = 0 if head is None else int(_members(head)["versions"])
        counted = {"filename": name.filename, "versions": version + 1}
        data = attrs.asdict(attrs.evolve(stored, version=version))
        items = [
            StateItem(
                scope=name.scope, key=name.head_key, data=counted, session_id=session_id
            ),
            StateItem(
                scope=name.scope,
                key=_version_key(name, version),
                data=data,
                session_id=session_id,
            ),
        ]
        seen = 0 if head is None else head.revision
        try:
            await state.save_items(
                items, expected_revisions={(name.scope, name.head_key): seen}
            )
        except SessionNotFoundError:
            # The sessions are kept elsewhere, or this one was not created yet.
            session_id = None
        except ConflictError:
            continue
        else:
            return version
    raise ConflictError(
        f"artifact {name.filename!r}: other writers saved it at each attempt; try again"
    )


async def find_version(
    state: StateStore, name: ArtifactName, version: int | None
) -> StoredVersion | None:
    """
    Return a version, the latest unless *version* says which; None if there is none.
    """
    if version is not None:
        if version < 0:
            return None
        key = _version_key(name, version)
        found = list((await state.get_items(name.scope, [key])).values())
    else:
        found = await state.list_items(
            name.scope, prefix=name.versions_prefix, descending=True, limit=1
        )
    return _stored(found[0]) if found else None


async def list_versions(state: StateStore, name: ArtifactName) -> list[StoredVersion]:
    """
    Return all versions, the first one first.
    """
    items = await state.list_items(name.scope, prefix=name.versions_prefix)
    return [_stored(item) for item in items]


async def list_filenames(state: StateStore, scope: str) -> list[str]:
    """
    Return the names of the artifacts in a scope.
    """
    items = await state.list_items(scope, prefix="file")
    return [str(_members(item)["filename"]) for item in items]


async def remove_versions(state: StateStore, name: ArtifactName) -> list[StoredVersion]:
    """
    Remove all versions at once, and return which they were.
    """
    for _ in range(_MAX_ATTEMPTS):
        head = (await state.get_items(name.scope, [name.head_key])).get(name.head_key)
        if head is None:
            return []
        versions = await list_versions(state, name)
        try:
            await state.delete_items(
                name.scope,
                keys=[name.head_key],
                prefix=name.versions_prefix,
                expected_revisions={name.head_key: head.revision},
            )
        except ConflictError:
            continue
        return versions
    raise ConflictError(
        f"artifact {name.filename!r}: other writers saved it at each attempt; try again"
    )


def _version_key(name: ArtifactName, version: int) -> str:
    # The order of the keys is that of the numbers: none is longer than a count may be.
    return f"{name.versions_prefix}{version:016}"


def _stored(item: StateItem) -> StoredVersion:
    return StoredVersion(**_members(item))


def _members(item: StateItem) -> dict[str, Any]:
    return cast("dict[str, Any]", item.data)
