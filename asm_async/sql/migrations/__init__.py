"""
The schema's history, and the ways to move a database along it.
"""

from asm_async.sql.migrations.history import HEAD
from asm_async.sql.migrations.in_host import down, include_name, sql, up
from asm_async.sql.migrations.online import (
    check,
    check_schema,
    current,
    downgrade,
    upgrade,
)

__all__ = [
    "HEAD",
    "check",
    "check_schema",
    "current",
    "down",
    "downgrade",
    "include_name",
    "sql",
    "up",
    "upgrade",
]
