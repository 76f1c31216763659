"""
The rules of maintenance.
"""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from asm_async.testing.state_machine.choices import (
    SESSION_IDS,
    SESSION_STATUSES,
    TEXTS,
    Fields,
    some_of,
)
from asm_async.testing.state_machine.twins import TwinMachine
from asm_async.values.maintenance import (
    HealthIssue,
    HealthIssueKind,
    MaintenanceReport,
)
from asm_async.values.retention import RetentionPolicy

__all__ = ["MaintenanceRules"]

_LIMITS = st.none() | st.integers(1, 5)
_POLICIES = some_of(
    max_session_age_days=_LIMITS,
    max_completed_session_age_days=_LIMITS,
    max_idle_days=_LIMITS,
    max_events_per_session=_LIMITS,
    max_total_events=_LIMITS,
    hard_delete_after_days=_LIMITS,
    exempt_statuses=st.lists(SESSION_STATUSES, max_size=2, unique=True),
    exempt_tags=st.lists(TEXTS, max_size=1),
    prune_event_types_first=st.lists(st.just("myapp.plan"), max_size=1),
    batch_size=st.integers(1, 2),
)


def _without_duration(report: MaintenanceReport) -> Any:
    return attrs.evolve(report, duration_ms=0)


def _damage(issues: list[HealthIssue]) -> list[HealthIssue]:
    """
    Leave out how a server is set, which no call has changed.
    """
    weak = HealthIssueKind.WEAK_DURABILITY
    return [issue for issue in issues if issue.kind is not weak]


class MaintenanceRules(TwinMachine):
    """
    Soft deletion, its undoing, expiry and pruning.
    """

    @precondition(lambda self: self.has("maintenance"))
    @rule(session_id=SESSION_IDS, options=some_of(expected_tenant=TEXTS))
    def soft_delete_session(self, session_id: str, options: Fields) -> None:
        """
        Mark a session deleted.
        """
        self.both("maintenance", "soft_delete_session", session_id, **options)

    @precondition(lambda self: self.has("maintenance"))
    @rule(session_id=SESSION_IDS, options=some_of(expected_tenant=TEXTS))
    def restore_session(self, session_id: str, options: Fields) -> None:
        """
        Undo a soft deletion.
        """
        self.both("maintenance", "restore_session", session_id, **options)

    @precondition(lambda self: self.has("maintenance"))
    @rule(session_id=SESSION_IDS, policy=_POLICIES)
    def prune_session_events(self, session_id: str, policy: Fields) -> None:
        """
        Prune a session.
        """
        self.both(
            "maintenance", "prune_session_events", session_id, RetentionPolicy(**policy)
        )

    @precondition(lambda self: self.has("maintenance"))
    @rule(policy=_POLICIES)
    def soft_delete_expired_sessions(self, policy: Fields) -> None:
        """
        Mark old sessions deleted.
        """
        self.both(
            "maintenance", "soft_delete_expired_sessions", RetentionPolicy(**policy)
        )

    @precondition(lambda self: self.has("maintenance"))
    @rule(policy=_POLICIES)
    def hard_delete_expired_sessions(self, policy: Fields) -> None:
        """
        Remove for good what was marked long ago.
        """
        self.both(
            "maintenance", "hard_delete_expired_sessions", RetentionPolicy(**policy)
        )

    @precondition(lambda self: self.has("maintenance"))
    @rule(policy=_POLICIES)
    def execute(self, policy: Fields) -> None:
        """
        Do all that a policy asks for.
        """
        self.both(
            "maintenance",
            "execute",
            RetentionPolicy(**policy),
            seen_as=_without_duration,
        )

    @precondition(lambda self: self.has("maintenance"))
    @rule()
    def clean_orphaned_artifacts(self) -> None:
        """
        Remove artifacts whose session is gone.
        """
        self.both("maintenance", "clean_orphaned_artifacts")

    @precondition(lambda self: self.has("maintenance"))
    @rule(
        chosen=some_of(
            tenant_id=TEXTS,
            user_id=TEXTS,
            session_ids=st.lists(SESSION_IDS, max_size=2),
            with_children=st.booleans(),
        )
    )
    def erase(self, chosen: Fields) -> None:
        """
        Remove for good what belongs to somebody.
        """
        self.both("maintenance", "erase", **chosen)

    def compare_contents(self) -> None:
        """
        Compare what a health check finds: nothing.
        """
        super().compare_contents()
        if self.has("maintenance"):
            self.both("maintenance", "health_check", seen_as=_damage)
