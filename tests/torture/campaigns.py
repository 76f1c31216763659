"""
All campaigns, in the order of the table.
"""

from __future__ import annotations

from tests.torture import (
    bad_input,
    cancelled_calls,
    cancelled_recorders,
    crashed_servers,
    cut_commits,
    damaged_files,
    foreign_locks,
    full_disks,
    killed_checkpoints,
    killed_recorders,
    killed_writers,
    lost_files,
    soak,
    terminated_backends,
)
from tests.torture.campaign import Campaign

__all__ = ["CAMPAIGNS"]

CAMPAIGNS: tuple[Campaign, ...] = (
    killed_writers.CAMPAIGN,
    crashed_servers.CAMPAIGN,
    terminated_backends.CAMPAIGN,
    cut_commits.CAMPAIGN,
    cancelled_calls.CAMPAIGN,
    killed_recorders.CAMPAIGN,
    cancelled_recorders.CAMPAIGN,
    killed_checkpoints.CAMPAIGN,
    full_disks.CAMPAIGN,
    lost_files.CAMPAIGN,
    foreign_locks.CAMPAIGN,
    damaged_files.CAMPAIGN,
    bad_input.CAMPAIGN,
    soak.CAMPAIGN,
)
