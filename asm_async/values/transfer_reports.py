"""
How far an export or an import has come.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from asm_async.values import fields

__all__ = ["ExportReport", "ImportReport"]


@attrs.frozen(kw_only=True)
class ExportReport:
    """
    What an export has handed to its writer so far.
    """

    session_count: int = 0
    """
    How many whole sessions.
    """

    run_count: int = 0
    """
    How many runs.
    """

    event_count: int = 0
    """
    How many events.
    """

    byte_count: int = 0
    """
    How many bytes.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "session_count": fields.count,
        "run_count": fields.count,
        "event_count": fields.count,
        "byte_count": fields.count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class ImportReport:
    """
    What an import has read and stored so far.
    """

    line_count: int = 0
    """
    How many lines were read and found good.
    """

    sessions_imported: int = 0
    """
    How many sessions are new here.
    """

    sessions_unchanged: int = 0
    """
    How many sessions were here already, exactly as they are in the export.
    """

    runs_imported: int = 0
    """
    How many runs the new sessions have.
    """

    events_imported: int = 0
    """
    How many events the new sessions have.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "line_count": fields.count,
        "sessions_imported": fields.count,
        "sessions_unchanged": fields.count,
        "runs_imported": fields.count,
        "events_imported": fields.count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
