"""
How far an export or an import has come.
"""

from __future__ import annotations

import attrs

from asm_async.values.fields import Count
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class ExportReport(Value):
    """
    What an export has handed to its writer so far.
    """

    session_count: Count = 0
    """
    How many whole sessions.
    """

    run_count: Count = 0
    """
    How many runs.
    """

    artifact_count: Count = 0
    """
    How many artifacts.
    """

    event_count: Count = 0
    """
    How many events.
    """

    byte_count: Count = 0
    """
    How many bytes.
    """


@attrs.frozen(kw_only=True)
class ImportReport(Value):
    """
    What an import has read and stored so far.
    """

    line_count: Count = 0
    """
    How many lines were read and found good.
    """

    sessions_imported: Count = 0
    """
    How many sessions are new here.
    """

    sessions_unchanged: Count = 0
    """
    How many sessions were here already, exactly as they are in the export.
    """

    runs_imported: Count = 0
    """
    How many runs the new sessions have.
    """

    artifacts_imported: Count = 0
    """
    How many artifacts the new sessions have.
    """

    events_imported: Count = 0
    """
    How many events the new sessions have.
    """
