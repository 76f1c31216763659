"""
The stores of artifacts' contents that go along with an export.
"""

from __future__ import annotations

from typing import Annotated

import attrs
from cyclopts import Parameter

from asm_async.errors import ValidationError
from asm_async.files import LocalArtifactStore


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class ContentOptions:
    """
    Where contents lie: beside the database, and beside the export.
    """

    contents: Annotated[
        str | None,
        Parameter(
            metavar="DIRECTORY",
            help="Where the contents of the export's artifacts lie, or are copied to;"
            " needs --artifact-store.",
        ),
    ] = None

    artifact_store: Annotated[
        str | None,
        Parameter(
            metavar="DIRECTORY",
            help="The directory of the LocalArtifactStore that belongs to the"
            " database.",
        ),
    ] = None

    def library_store(self) -> LocalArtifactStore | None:
        """
        Return the database's store of contents alone, if it is named.
        """
        if self.contents is not None:
            raise ValidationError("--contents: it is for the contents of an export")
        if self.artifact_store is None:
            return None
        return LocalArtifactStore(self.artifact_store)

    def stores(self) -> tuple[LocalArtifactStore, LocalArtifactStore] | None:
        """
        Return the database's store of contents and the export's; None if none are.
        """
        if self.artifact_store is None and self.contents is None:
            return None
        if self.artifact_store is None or self.contents is None:
            raise ValidationError(
                "--contents and --artifact-store: contents are copied from one to the"
                " other, so that both are needed"
            )
        return LocalArtifactStore(self.artifact_store), LocalArtifactStore(
            self.contents
        )


NO_CONTENTS = ContentOptions()
"""
Contents stay where they are.
"""


def check_source(store: LocalArtifactStore) -> None:
    """
    Refuse to copy from a directory that is not there.
    """
    if not store.directory.is_dir():
        raise ValidationError(f"{store.directory}: there is no such directory")


def copied(content_count: int, byte_count: int) -> str:
    """
    Say how many contents were copied.
    """
    return f"; copied {content_count:,} contents, {byte_count:,} bytes"
