"""
Importers: what other programs have recorded of their agents' sessions, in the log.
"""

from asm_async.importers.import_from import import_from
from asm_async.importers.importer import ImportContext, Importer
from asm_async.importers.kinds import KINDS, Kind
from asm_async.importers.records import (
    RECORD_TYPE,
    Attachment,
    CaughtUp,
    Incoming,
    NotUnderstoodError,
    Place,
    Record,
)
from asm_async.importers.summary import ImportSummary, Problem, ProblemCode

__all__ = [
    "KINDS",
    "RECORD_TYPE",
    "Attachment",
    "CaughtUp",
    "ImportContext",
    "ImportSummary",
    "Importer",
    "Incoming",
    "Kind",
    "NotUnderstoodError",
    "Place",
    "Problem",
    "ProblemCode",
    "Record",
    "import_from",
]
