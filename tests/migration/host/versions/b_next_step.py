"""
Take the next step of asm_async.
"""

from __future__ import annotations

from asm_async.sql import migrations

revision = "b"
down_revision = "a"


def upgrade() -> None:
    """
    Go on from where the revision before left off.
    """
    migrations.up("0002", from_revision="0001")


def downgrade() -> None:
    """
    Go back there.
    """
    migrations.down("0001", from_revision="0002")
