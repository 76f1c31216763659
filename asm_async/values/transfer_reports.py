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
    The progress of an export.
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

    item_count: Count = 0
    """
    How many state items, those that belong to no session among them.
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
    The progress of an import.
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

    items_imported: Count = 0
    """
    How many state items the new sessions have, and how many new ones belong to none.
    """

    items_unchanged: Count = 0
    """
    How many state items that belong to no session were here already.
    """

    events_imported: Count = 0
    """
    How many events the new sessions have.
    """
