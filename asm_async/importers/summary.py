"""
How far an import has come, and what it did not understand.
"""

from __future__ import annotations

from enum import StrEnum

import attrs

from asm_async.values.fields import Count
from asm_async.values.value import Value

MAX_PROBLEMS = 100
"""
How many problems a summary holds unless another bound is given; all are counted.
"""


class ProblemCode(StrEnum):
    """
    Why something was not imported.
    """

    NOT_JSON = "not_json"
    """
    A record is no JSON that can be stored.
    """

    TOO_LONG = "too_long"
    """
    A line is longer than the bound.
    """

    NOT_UNDERSTOOD = "not_understood"
    """
    A record, or a part of it, has a form that the importer does not know.
    """

    CONFLICT = "conflict"
    """
    The store holds the record with other content, or somebody else's of its id.
    """

    SESSION_CLOSED = "session_closed"
    """
    The session is deleted in the store, or belongs to another tenant.
    """

    UNREADABLE = "unreadable"
    """
    A file or a database cannot be read.
    """


@attrs.frozen(kw_only=True)
class Problem(Value):
    """
    One record, or file, that was not imported, or not as the source has it.
    """

    source: str
    """
    The file, by its path below what is imported; or the table.
    """

    number: Count
    """
    The line, or the position of the record, from 1; 0 for the whole of it.
    """

    code: ProblemCode
    """
    The kind of problem.
    """

    reason: str
    """
    What is wrong, in words.
    """


@attrs.frozen(kw_only=True)
class ImportSummary(Value):
    """
    The progress of an import from another program's history.
    """

    source_count: Count = 0
    """
    How many files, or databases, were read.
    """

    record_count: Count = 0
    """
    How many records were understood.
    """

    byte_count: Count = 0
    """
    How many bytes were read.
    """

    sessions_imported: Count = 0
    """
    How many sessions are new.
    """

    sessions_known: Count = 0
    """
    How many sessions were in the store before.
    """

    events_imported: Count = 0
    """
    How many events are new.
    """

    events_known: Count = 0
    """
    How many events were in the store before, with the same content.
    """

    runs_imported: Count = 0
    """
    How many runs are new.
    """

    runs_changed: Count = 0
    """
    How many runs were there, and have more now.
    """

    items_imported: Count = 0
    """
    How many state items are new, or other than before.
    """

    artifacts_imported: Count = 0
    """
    How many artifacts are new.
    """

    problem_count: Count = 0
    """
    How much was not imported.
    """

    problems: tuple[Problem, ...] = ()
    """
    The first of these.
    """
