"""
The files that come with an export: images, sounds and what was uploaded.
"""

from __future__ import annotations

import mimetypes
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import attrs

from asm_async.importers.documents import Document
from asm_async.importers.importer import ImportContext
from asm_async.importers.members import as_object, list_at, object_at, text_of
from asm_async.importers.records import Attachment, Place
from asm_async.importers.summary import ProblemCode
from asm_async.integrations.ids import safe_id

_ID = re.compile(r"file[-_][0-9A-Za-z]+")
_POINTERS = ("asset_pointer", "audio_asset_pointer")
_KEY = "artifact_key"


@attrs.frozen(eq=False)
class Asset:
    """
    A file of an export.
    """

    file: Path
    member: str
    size: int

    @property
    def name(self) -> str:
        """
        Its name.
        """
        return self.member or self.file.name

    def read(self) -> bytes:
        """
        Read its content.

        Raises:
            OSError: If it cannot be read; so do errors of archives.
        """
        if not self.member:
            return self.file.read_bytes()
        with zipfile.ZipFile(self.file) as archive:
            return archive.read(self.member)


class Assets:
    """
    Finds the files that messages name, if attachments are kept.

    Args:
        context: What the import was asked for.

        session_id: The session whose messages name them.

        files: The files of the export, by their ids.
    """

    def __init__(
        self, context: ImportContext, session_id: str, files: Mapping[str, Asset]
    ) -> None:
        self._context = context
        self._session_id = session_id
        self._files = files

    def with_keys(self, content: Any) -> Any:
        """
        Return a message's content with the keys of artifacts in the parts that are.
        """
        if not self._files or not isinstance(content, list):
            return content
        parts = cast("list[dict[str, Any]]", content)
        return [{**part, **self._keys_of(part)} for part in parts]

    def attachments_of(self, message: Mapping[str, Any]) -> Iterator[Attachment]:
        """
        Read the files that a message names; what cannot be read is reported.
        """
        for file_id in self._ids_in(message):
            asset = self._files[file_id]
            try:
                content = asset.read()
            except (OSError, zipfile.BadZipFile) as error:
                place = Place(asset.name, 0)
                code = ProblemCode.UNREADABLE
                self._context.tally.problem(place, code, str(error))
            else:
                media_type, _ = mimetypes.guess_type(asset.name)
                yield Attachment(
                    key=self._key_of(file_id), content=content, content_type=media_type
                )

    def place_of(self, message: Mapping[str, Any], place: Place) -> Place:
        """
        Return a place with the bytes of the files that its message names.
        """
        more = sum(self._files[file_id].size for file_id in self._ids_in(message))
        return attrs.evolve(place, byte_count=place.byte_count + more)

    def _ids_in(self, message: Mapping[str, Any]) -> list[str]:
        if not self._files:
            return []
        parts = list_at(object_at(message, "content"), "parts")
        ids = [_id_in(as_object(part)) for part in parts]
        uploads = list_at(object_at(message, "metadata"), "attachments")
        ids += [text_of(as_object(upload), "id") for upload in uploads]
        return [each for each in dict.fromkeys(ids) if each in self._files]

    def _keys_of(self, part: Mapping[str, Any]) -> dict[str, str]:
        file_id = _id_in(part)
        return {_KEY: self._key_of(file_id)} if file_id in self._files else {}

    def _key_of(self, file_id: str) -> str:
        return safe_id("chatgpt-attachment", self._session_id, file_id)


def files_beside(document: Document) -> dict[str, Asset]:
    """
    Return the files of the export that a document is of, by the ids in their names.
    """
    path = document.file.path
    if document.file.is_standard_input:
        return {}
    if document.member:
        folder = document.member.rpartition("/")[0]
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        found = [
            Asset(path, each.filename, each.file_size)
            for each in members
            if each.filename.startswith(folder)
        ]
    else:
        below = (each for each in path.parent.rglob("file*") if each.is_file())
        found = [Asset(each, "", each.stat().st_size) for each in below]
    return {
        match.group(): asset
        for asset in found
        if (match := _ID.match(asset.name.rpartition("/")[2]))
    }


def _id_in(part: Mapping[str, Any]) -> str:
    for name in _POINTERS:
        pointer = part.get(name)
        if isinstance(pointer, dict):
            return _id_in(cast("dict[str, Any]", pointer))
        if isinstance(pointer, str) and (match := _ID.search(pointer)):
            return match.group()
    return ""
