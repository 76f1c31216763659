"""
What the command line of ADK finds our services by.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from google.adk.cli.service_registry import ServiceRegistry, get_service_registry

from asm_async.errors import ValidationError
from asm_async.files import LocalArtifactStore
from asm_async.integrations.google_adk.artifact_service import AsmArtifactService
from asm_async.integrations.google_adk.session_service import AsmSessionService

SCHEMES = ("asm+sqlite", "asm+postgresql")
"""
The schemes of URLs that name our services to ADK.
"""

_OURS = "asm+"
_CONTENTS = "contents"


def register_services(registry: ServiceRegistry | None = None) -> None:
    """
    Register our services with ADK's command line, by the schemes of URLs.

    Called by a file ``services.py`` beside the agents, which ``adk web``, ``adk run``
    and ``adk api_server`` import before they open their services.

    Args:
        registry: ADK's own unless given.
    """
    known = get_service_registry() if registry is None else registry
    for scheme in SCHEMES:
        known.register_session_service(scheme, open_session_service)
        known.register_artifact_service(scheme, open_artifact_service)


def open_session_service(uri: str, **options: Any) -> AsmSessionService:
    """
    Return a session service for a URL such as ``asm+sqlite:///sessions.sqlite3``.

    Args:
        uri: The database's URL behind ``asm+``.

        options: *migrate* and *timeout*, as for ``AsmSessionService.from_url``; what
            ADK adds about its agents is left aside.

    Raises:
        ValidationError: If it is no such URL, or there is no such option.
    """
    url, _ = _read(uri)
    return AsmSessionService.from_url(url, **_ours(options))


def open_artifact_service(uri: str, **options: Any) -> AsmArtifactService:
    """
    Return an artifact service for a URL with the directory of the contents in it.

    Such as ``asm+sqlite:///sessions.sqlite3?contents=artifacts``.

    Args:
        uri: The database's URL behind ``asm+``; *contents* is the directory.

        options: As for :func:`open_session_service`.

    Raises:
        ValidationError: If it is no such URL, or there is no such option.
    """
    url, contents = _read(uri)
    if not contents:
        raise ValidationError(
            f"uri: the directory of the contents is missing: add ?{_CONTENTS}=DIRECTORY"
        )
    store = LocalArtifactStore(contents)
    return AsmArtifactService.from_url(url, store, **_ours(options))


def _read(uri: str) -> tuple[str, str | None]:
    """
    Return the database's URL, and the directory of contents that *uri* names.
    """
    if not uri.startswith(_OURS):
        raise ValidationError(f"uri: expected a URI that begins with {_OURS!r}")
    # A path with three slashes would lose two of them in urllib.
    url, _, query = uri.removeprefix(_OURS).partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = urlencode([pair for pair in pairs if pair[0] != _CONTENTS])
    return f"{url}?{kept}" if kept else url, dict(pairs).get(_CONTENTS)


def _ours(options: dict[str, Any]) -> dict[str, Any]:
    others = {name: value for name, value in options.items() if name != "agents_dir"}
    unknown = sorted(others.keys() - {"migrate", "timeout"})
    if unknown:
        raise ValidationError(f"options: there is no option {unknown[0]!r}")
    return others
