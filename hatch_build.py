"""
What is known of the package only where it is built: the address of its repository.

No address stands in the source: a copy, a fork or a mirror would name another one's. A
release takes it from the forge that builds it, by ``ASM_REPOSITORY_URL``; a wheel that
is made of a source distribution takes what that one says.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

VARIABLE = "ASM_REPOSITORY_URL"
_ADDRESS = re.compile(r"https://[^\s/]+(/[^\s/]+)+")
# Links of Markdown that are neither absolute nor to a place of the page itself.
_RELATIVE = re.compile(
    r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?![a-z]+:|#)(?P<path>[^)]+)\)"
)


class RepositoryMetadata(MetadataHookInterface):
    """
    Fills in ``urls``, and a README whose links lead somewhere outside the repository.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        """
        Add what ``project.dynamic`` names.

        Raises:
            ValueError: If the address is none.
        """
        text = Path(self.root, "README.md").read_text("utf-8")
        if address := os.environ.get(VARIABLE):
            if not _ADDRESS.fullmatch(address):
                raise ValueError(f"{VARIABLE}: {address!r} is no https:// address")
            tag = f"v{metadata['version']}"
            metadata["urls"] = {
                "Source": address,
                "Issues": f"{address}/issues",
                "Changelog": f"{address}/blob/{tag}/CHANGELOG.md",
                "Documentation": f"{address}/blob/{tag}/docs/index.md",
            }

            def absolute(link: re.Match[str]) -> str:
                view = "raw" if link["image"] else "blob"
                path = f"{address}/{view}/{tag}/{link['path']}"
                return f"{link['image']}[{link['text']}]({path})"

            text = _RELATIVE.sub(absolute, text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
