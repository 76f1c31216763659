"""
ADK's sessions and artifacts in the store (the extra ``google-adk``).

:class:`~asm_async.integrations.google_adk.session_service.AsmSessionService` is what a
``Runner`` is given as its session service;
:func:`~asm_async.integrations.google_adk.registration.register_services` makes the
command line of ADK accept it by the scheme of a URL.
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("google") is None or find_spec("google.adk") is None:
    raise MissingDependencyError("google-adk", "google-adk")

from asm_async.integrations.google_adk.artifact_service import AsmArtifactService
from asm_async.integrations.google_adk.registration import (
    open_artifact_service,
    open_session_service,
    register_services,
)
from asm_async.integrations.google_adk.session_service import AsmSessionService
from asm_async.integrations.records.adk_names import session_id_of, state_scope_of

__all__ = [
    "AsmArtifactService",
    "AsmSessionService",
    "open_artifact_service",
    "open_session_service",
    "register_services",
    "session_id_of",
    "state_scope_of",
]
