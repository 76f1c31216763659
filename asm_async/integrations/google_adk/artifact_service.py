"""
ADK's artifact service over the ports and a store of contents.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self

from google.adk.artifacts import artifact_util
from google.adk.artifacts.base_artifact_service import (
    ArtifactVersion,
    BaseArtifactService,
    ensure_part,
)
from google.adk.errors.input_validation_error import InputValidationError
from google.adk.platform import time as adk_time
from google.genai import types
from typing_extensions import override

from asm_async.artifacts import ArtifactLibrary
from asm_async.errors import ArtifactNotFoundError, SessionNotFoundError
from asm_async.integrations.google_adk.artifact_versions import (
    USER_PREFIX,
    ArtifactName,
    StoredVersion,
    add_version,
    artifact_scope_of,
    find_version,
    list_filenames,
    list_versions,
    remove_versions,
)
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.together import Ports
from asm_async.values.json_values import normalise_json_object

_MAX_REFERENCES = 5
_NOTHING = types.Blob(mime_type="application/octet-stream", data=b"")


class AsmArtifactService(BaseArtifactService):
    """
    Artifacts of ADK, with their versions, as artifacts of the store.

    A content is put first, then registered, then it is a version: after a crash in
    between there is no version without its content. Callers that save at the same time
    have a version each. A session's artifacts go with it where the store has it.

    Args:
        ports: Ordinary ports, for one event loop, or those of a portal, for any.

        contents: The store of the contents, such as
            :class:`~asm_async.files.LocalArtifactStore`.
    """

    def __init__(self, ports: Ports, contents: ArtifactStore) -> None:
        self._runner = PortsRunner(ports)
        self._contents = contents

    @classmethod
    def from_url(
        cls,
        url: str,
        contents: ArtifactStore,
        *,
        migrate: bool = True,
        timeout: float = 30.0,
    ) -> Self:
        """
        Return a service over a database, for any thread and event loop.

        It is open until :meth:`close`, or until the process ends.

        Args:
            url: As for :func:`~asm_async.open_ports`.

            contents: The store of the contents.

            migrate: Bring the database's schema up to date first.

            timeout: As for :func:`~asm_async.open_ports`.
        """
        make = partial(cls, contents=contents)
        return open_adapter(url, make, migrate=migrate, timeout=timeout)

    @override
    async def save_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        artifact: types.Part | dict[str, Any],
        session_id: str | None = None,
        custom_metadata: dict[str, Any] | None = None,
    ) -> int:
        """
        Save an artifact as a further version, and return its number, from 0.

        Raises:
            InputValidationError: If a name is none, or the artifact neither data, text
                nor a file.

            ValidationError: If *custom_metadata* is no JSON object.
        """
        name = _name(app_name, user_id, filename, session_id)
        part = ensure_part(artifact)
        _check_reference(name, part, session_id)
        about = normalise_json_object(custom_metadata or {}, "custom_metadata")
        saved = partial(self._do_save, name, part, about)
        return await self._runner.run(saved)

    @override
    async def load_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
        version: int | None = None,
    ) -> types.Part | None:
        """
        Return an artifact, the latest version unless *version* says which.

        Returns:
            None if there is none, or it was removed by a rewind.

        Raises:
            InputValidationError: If a reference leads out of the scope, or too far.

            ArtifactDamagedError: If the content is not what was saved.
        """
        name = _name(app_name, user_id, filename, session_id)
        return await self._runner.run(partial(self._do_load, name, session_id, version))

    @override
    async def list_artifact_keys(
        self, *, app_name: str, user_id: str, session_id: str | None = None
    ) -> list[str]:
        """
        Return the names of the user's artifacts and, if it is given, the session's.
        """
        _check_owner(app_name, user_id, session_id)
        listed = partial(self._do_list_keys, app_name, user_id, session_id)
        return await self._runner.run(listed)

    @override
    async def delete_artifact(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
    ) -> None:
        """
        Remove all versions of an artifact; to remove an unknown one does nothing.

        Their contents are soft-deleted: they go with the session, or when
        ``hard_delete_expired`` and ``remove_unnamed_contents`` are called.
        """
        name = _name(app_name, user_id, filename, session_id)
        await self._runner.run(partial(self._do_delete, name))

    @override
    async def list_versions(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
    ) -> list[int]:
        """
        Return the numbers of an artifact's versions.
        """
        name = _name(app_name, user_id, filename, session_id)
        stored = await self._runner.run(partial(self._do_list_versions, name))
        return [each.version for each in stored]

    @override
    async def list_artifact_versions(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
    ) -> list[ArtifactVersion]:
        """
        Return what is known of an artifact's versions.
        """
        name = _name(app_name, user_id, filename, session_id)
        stored = await self._runner.run(partial(self._do_list_versions, name))
        return [each.described(name) for each in stored]

    @override
    async def get_artifact_version(
        self,
        *,
        app_name: str,
        user_id: str,
        filename: str,
        session_id: str | None = None,
        version: int | None = None,
    ) -> ArtifactVersion | None:
        """
        Return what is known of a version, the latest unless *version* says which.
        """
        name = _name(app_name, user_id, filename, session_id)
        stored = await self._runner.run(partial(self._do_find, name, version))
        return None if stored is None else stored.described(name)

    async def close(self) -> None:
        """
        Close what :meth:`from_url` opened; ports that were handed in stay open.
        """
        await self._runner.aclose()

    async def _do_save(
        self, name: ArtifactName, part: types.Part, metadata: dict[str, Any]
    ) -> int:
        content, mime_type = _content_of(part)
        artifact_id = None
        if content is not None:
            artifact_id = await self._put(name, content, mime_type)
        stored = StoredVersion(
            part=_without_content(part),
            artifact_id=artifact_id,
            mime_type=mime_type,
            custom_metadata=metadata,
            create_time=adk_time.get_time(),
        )
        return await add_version(self._runner.ports.state, name, stored)

    async def _put(
        self, name: ArtifactName, content: bytes, mime_type: str | None
    ) -> str:
        library = ArtifactLibrary(self._runner.ports.artifacts, self._contents)
        save = partial(
            library.save,
            content,
            content_type=mime_type,
            metadata={"adk": {"filename": name.filename}},
        )
        try:
            artifact = await save(session_id=name.stored_session_id)
        except SessionNotFoundError:
            # The sessions are kept elsewhere, or this one was not created yet.
            artifact = await save()
        return artifact.id

    async def _do_load(
        self, name: ArtifactName, session_id: str | None, version: int | None
    ) -> types.Part | None:
        for remaining in range(_MAX_REFERENCES, -1, -1):
            stored = await self._do_find(name, version)
            if stored is None:
                return None
            part = types.Part.model_validate(stored.part)
            if part.file_data is None or not artifact_util.is_artifact_ref(part):
                return await self._with_content(part, stored.artifact_id)
            found = artifact_util.resolve_artifact_reference(
                file_uri=part.file_data.file_uri or "",
                app_name=name.app_name,
                user_id=name.user_id,
                session_id=session_id,
                remaining_depth=remaining,
            )
            session_id, version = found.session_id, found.version
            name = _name(found.app_name, found.user_id, found.filename, session_id)
        return None

    async def _with_content(
        self, part: types.Part, artifact_id: str | None
    ) -> types.Part | None:
        if artifact_id is None:
            return part
        library = ArtifactLibrary(self._runner.ports.artifacts, self._contents)
        try:
            content = await library.read(artifact_id)
        except ArtifactNotFoundError:
            return None
        if part.inline_data is None:
            return part.model_copy(
                update={"text": content.decode("utf-8", "surrogatepass")}
            )
        blob = part.inline_data.model_copy(update={"data": content})
        whole = part.model_copy(update={"inline_data": blob})
        # What a rewind removes is a version that has nothing.
        return None if whole == types.Part(inline_data=_NOTHING) else whole

    async def _do_list_keys(
        self, app_name: str, user_id: str, session_id: str | None
    ) -> list[str]:
        state = self._runner.ports.state
        names = await list_filenames(state, artifact_scope_of(app_name, user_id, None))
        if session_id is not None:
            scope = artifact_scope_of(app_name, user_id, session_id)
            names += await list_filenames(state, scope)
        return sorted(names)

    async def _do_delete(self, name: ArtifactName) -> None:
        ports = self._runner.ports
        for stored in await remove_versions(ports.state, name):
            if stored.artifact_id is not None:
                try:
                    await ports.artifacts.soft_delete(stored.artifact_id)
                except ArtifactNotFoundError:
                    continue

    async def _do_list_versions(self, name: ArtifactName) -> list[StoredVersion]:
        return await list_versions(self._runner.ports.state, name)

    async def _do_find(
        self, name: ArtifactName, version: int | None
    ) -> StoredVersion | None:
        return await find_version(self._runner.ports.state, name, version)


def _name(
    app_name: str, user_id: str, filename: str, session_id: str | None
) -> ArtifactName:
    """
    Check what ADK calls an artifact.

    Raises:
        InputValidationError: If the app, the user or the session is none, or there is
            no session for an artifact that is not the user's.
    """
    is_users = filename.startswith(USER_PREFIX)
    if session_id is None and not is_users:
        raise InputValidationError(
            "Session ID must be provided for session-scoped artifacts."
        )
    owner = None if is_users else session_id
    _check_owner(app_name, user_id, owner)
    return ArtifactName(app_name, user_id, filename, owner)


def _check_owner(app_name: str, user_id: str, session_id: str | None) -> None:
    artifact_util.validate_path_segment(app_name, "app_name")
    artifact_util.validate_path_segment(user_id, "user_id")
    if session_id is not None:
        artifact_util.validate_path_segment(session_id, "session_id")


def _content_of(part: types.Part) -> tuple[bytes | None, str | None]:
    """
    Return a part's content, None if it has none of its own, and its media type.
    """
    if part.inline_data is not None:
        return part.inline_data.data or b"", part.inline_data.mime_type
    if part.text is not None:
        return part.text.encode("utf-8", "surrogatepass"), "text/plain"
    if part.file_data is None:
        raise InputValidationError("Not supported artifact type.")
    # Of what it refers to the type is known when it is read.
    is_reference = artifact_util.is_artifact_ref(part)
    return None, None if is_reference else part.file_data.mime_type


def _check_reference(
    name: ArtifactName, part: types.Part, session_id: str | None
) -> None:
    """
    Refuse a reference to an artifact that is none, or that is out of reach.
    """
    has_own = part.inline_data is not None or part.text is not None
    if has_own or part.file_data is None or not artifact_util.is_artifact_ref(part):
        return
    uri = part.file_data.file_uri or ""
    parsed = artifact_util.parse_artifact_uri(uri)
    if parsed is None:
        raise InputValidationError(f"Invalid artifact reference URI: {uri}")
    artifact_util.validate_artifact_reference_scope(
        app_name=name.app_name,
        user_id=name.user_id,
        session_id=session_id,
        parsed_uri=parsed,
    )


def _without_content(part: types.Part) -> dict[str, Any]:
    plain: dict[str, Any] = part.model_dump(mode="json", exclude_none=True)
    plain.pop("text", None)
    if "inline_data" in plain:
        plain["inline_data"].pop("data", None)
    return plain
