"""
The damage that an adapter finds: how it is worded, and how much of it is listed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from asm_async.errors import ValidationError
from asm_async.ports.maintenance import MAX_ISSUES_PER_KIND
from asm_async.values import fields
from asm_async.values.maintenance import HealthIssue, HealthIssueKind

MISSING_SEQUENCE = "the session has no counter, so that nothing can be appended to it"

MAX_INDEX_AGE = timedelta(days=1)
"""
How long the index of texts may be behind without anything that updates it.
"""


@attrs.frozen
class Finding:
    """
    Damage of one kind: subjects and messages, of which some may be left out.
    """

    kind: HealthIssueKind
    cases: tuple[tuple[str, str], ...]
    total: int


def bounded(findings: Iterable[Finding]) -> list[HealthIssue]:
    """
    Return the issues of all findings; a last one says what a kind has beyond 100.
    """
    by_kind: defaultdict[HealthIssueKind, list[Finding]] = defaultdict(list)
    for found in findings:
        by_kind[found.kind].append(found)
    issues: list[HealthIssue] = []
    for kind in HealthIssueKind:
        cases = [case for found in by_kind[kind] for case in found.cases]
        listed = cases[:MAX_ISSUES_PER_KIND]
        issues += [issue(kind, subject, message) for subject, message in listed]
        if left := sum(found.total for found in by_kind[kind]) - len(listed):
            issues.append(
                issue(kind, "others", f"there are {left} more issues of this kind")
            )
    return issues


def issue(kind: HealthIssueKind, subject: object, message: str) -> HealthIssue:
    """
    Make an issue, whatever its subject is called: a damaged id may be anything.
    """
    try:
        name = fields.text(subject, "subject")
    except ValidationError:
        name = ascii(subject)[: fields.MAX_TEXT_LENGTH]
    return HealthIssue(kind=kind, subject=name, message=message)


def stale_text_index(updated_at: datetime) -> str:
    """
    Return the message of an index of texts that nothing updates.
    """
    return (
        f"events are not indexed, and nothing has updated the index of texts since"
        f" {updated_at:%Y-%m-%d %H:%M} UTC: update it with asm search index, keep it up"
        " to date with following(), or drop() it"
    )


def sequence_mismatch(latest: int, pruned: int, stored: int, highest: int) -> str:
    """
    Return the message of a counter that does not agree with the events.
    """
    return (
        f"the latest number is {latest}, but {stored} events are stored, numbered up to"
        f" {highest}, and {pruned} were pruned"
    )


def orphans(count: int, what: str) -> str:
    """
    Return the message of what has no session.
    """
    return f"{count} {what} belong to a session that does not exist"
