"""
Add notes, and let agents record their sessions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from asm_async.sql import migrations

revision = "a"
down_revision = None


def upgrade() -> None:
    """
    Make our table and those of asm_async.
    """
    migrations.up("0001")
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    """
    Drop them.
    """
    op.drop_table("notes")
    migrations.down("base", from_revision="0001")
