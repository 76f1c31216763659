"""
The files of the page, as they lie in the package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# The registry of a machine may name others, for which browsers run no scripts.
_MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".mjs": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".webmanifest": "application/manifest+json",
    }
)


def page_directory() -> Path:
    """
    Return where the files of the page lie.
    """
    return Path(str(files("asm_async.console").joinpath("static")))


class PageFiles(StaticFiles):
    """
    Serves the page's files; a browser asks each time whether one has changed.
    """

    def __init__(self) -> None:
        super().__init__(directory=page_directory(), check_dir=False)

    def file_response(
        self,
        full_path: Any,
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """
        Answer with a file, or that it is as it was.
        """
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        media_type = _MEDIA_TYPES.get(PurePath(full_path).suffix)
        if media_type is not None and "content-type" in response.headers:
            response.headers["content-type"] = media_type
        return response
