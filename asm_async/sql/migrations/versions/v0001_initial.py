"""
Create all tables.
"""

from __future__ import annotations

from asm_async.sql.migrations.history import RunScript

revision = "0001"
down_revision = None


def upgrade(run_script: RunScript) -> None:
    """
    Create them.
    """
    run_script("0001_initial", "up")


def downgrade(run_script: RunScript) -> None:
    """
    Drop them.
    """
    run_script("0001_initial", "down")
