"""
What maintenance did to a database, and what it found wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from asm_async.values.fields import Count, Text
from asm_async.values.value import Value


class MaintenanceStep(StrEnum):
    """
    The steps of a maintenance run, in the order they are taken.
    """

    SOFT_DELETE_EXPIRED_SESSIONS = "soft_delete_expired_sessions"
    HARD_DELETE_EXPIRED_SESSIONS = "hard_delete_expired_sessions"
    PRUNE_EVENTS = "prune_events"
    CLEAN_ORPHANED_ARTIFACTS = "clean_orphaned_artifacts"
    CLEAN_ORPHANED_SEQUENCES = "clean_orphaned_sequences"


@attrs.frozen(kw_only=True)
class MaintenanceReport(Value):
    """
    The progress of a maintenance run.
    """

    sessions_soft_deleted: Count = 0
    """
    How many sessions were soft-deleted because they had grown too old.
    """

    sessions_hard_deleted: Count = 0
    """
    How many sessions were removed permanently.
    """

    events_pruned: Count = 0
    """
    How many events were pruned from sessions that live on.
    """

    artifacts_cleaned: Count = 0
    """
    How many artifacts were removed because their session is gone.
    """

    orphaned_sequences_cleaned: Count = 0
    """
    How many counters without a session were closed; their numbers stay used.
    """

    duration_ms: Count = 0
    """
    How long it has taken, in milliseconds.
    """

    errors: Mapping[MaintenanceStep, tuple[Exception, ...]] = attrs.field(
        factory=dict[MaintenanceStep, tuple[Exception, ...]], hash=False
    )
    """
    What went wrong, by step; a step that went well is left out.
    """


@attrs.frozen(kw_only=True)
class ErasureReport(Value):
    """
    The progress of an erasure.
    """

    session_count: Count = 0
    """
    How many sessions are gone.
    """

    run_count: Count = 0
    """
    How many runs they had.
    """

    event_count: Count = 0
    """
    How many events they had.
    """

    item_count: Count = 0
    """
    How many state items they had.
    """

    artifact_count: Count = 0
    """
    How many artifacts they had.
    """

    content_count: Count = 0
    """
    How many contents of these artifacts were removed from the artifact store.
    """

    contents_left: Count = 0
    """
    How many of their contents were not: an artifact of a session that stays names the
    same content, it was put within the grace period, or it was not there.
    """

    children_left: Count = 0
    """
    How many child sessions stay, since they are another tenant's or user's.
    """

    child_ids_left: tuple[Text, ...] = ()
    """
    The ids of the first 100 of them, in order.
    """

    is_complete: bool = False
    """
    Whether a last look found none of the sessions that were to be erased.
    """


class HealthIssueKind(StrEnum):
    """
    What can be wrong with a database.
    """

    SEQUENCE_MISMATCH = "sequence_mismatch"
    """
    A session's latest number is not its stored events and its pruned ones together.
    """

    MISSING_SEQUENCE = "missing_sequence"
    """
    A session has no counter, so that nothing can be appended to it.
    """

    ORPHANED_SEQUENCE = "orphaned_sequence"
    """
    A counter is open whose session does not exist.
    """

    ORPHANED_EVENTS = "orphaned_events"
    """
    Events belong to a session that does not exist.
    """

    ORPHANED_RUNS = "orphaned_runs"
    """
    Runs belong to a session that does not exist.
    """

    ORPHANED_TAGS = "orphaned_tags"
    """
    Tags to search by belong to a session that does not exist.
    """

    ORPHANED_ARTIFACTS = "orphaned_artifacts"
    """
    Artifacts belong to a session that does not exist.
    """

    ORPHANED_ITEMS = "orphaned_items"
    """
    State items belong to a session that does not exist.
    """

    IMPOSSIBLE_STATUS = "impossible_status"
    """
    A status is none there is, or a session and its counter disagree on its deletion.
    """

    SCHEMA_VERSION = "schema_version"
    """
    The schema is not the one that this code was written for.
    """

    DATABASE_INTEGRITY = "database_integrity"
    """
    The database's own check found damage, or events have lost their order.
    """

    UNUSED_READER = "unused_reader"
    """
    A standby that is to be read from cannot be, so that the primary answers instead.
    """

    WEAK_DURABILITY = "weak_durability"
    """
    A power cut can take back what was acknowledged, as the engine, the server or the
    file is set; or an SQLite file is not in WAL mode.
    """

    STALE_TEXT_INDEX = "stale_text_index"
    """
    Events are not indexed, and nothing has updated the index of texts for a day.
    """

    UNFINISHED_MOVE = "unfinished_move"
    """
    A shard is being moved to another primary, or its move was interrupted.
    """


@attrs.frozen(kw_only=True)
class HealthIssue(Value):
    """
    One thing that is wrong with a database.
    """

    kind: HealthIssueKind
    """
    What sort of thing.
    """

    subject: Text
    """
    The subject: a session's id, or another subject of the kind.
    """

    message: str
    """
    The finding, in one sentence for people.
    """
