"""
Roles of least privilege on a PostgreSQL server, made by the script that is shipped.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

import sqlalchemy as sa

from asm_async.sql import create_engine
from tests.postgres_server import _installed_binaries

__all__ = ["ROLES", "SCHEMA", "PostgresRoles"]

SCRIPT = Path(__file__).parents[1] / "schema" / "postgresql-roles.sql"
SCHEMA = "agents"
ROLES = ("owner", "writer", "reader", "maintainer")


class PostgresRoles:
    """
    The four roles, and a login for each, under names that no other test run has.

    Args:
        url: Of a database on the server, for its superuser.
    """

    def __init__(self, url: str) -> None:
        self._superuser = sa.make_url(url)
        self._password = secrets.token_hex(16)
        self._prefix = f"asm_test_{secrets.token_hex(6)}"

    def name(self, role: str) -> str:
        """
        Return the name that a role has on the server.
        """
        return f"{self._prefix}_{role}"

    def apply(self, url: str) -> None:
        """
        Run the script with psql on a database.
        """
        target = self._as_superuser(url)
        arguments = [f"--set={role}={self.name(role)}" for role in ROLES]
        subprocess.run(  # noqa: S603 - psql, on the script that is shipped
            [
                _installed_binaries() / "psql",
                "--no-psqlrc",
                "--quiet",
                f"--host={target.host}",
                f"--port={target.port}",
                f"--username={target.username}",
                f"--dbname={target.database}",
                f"--set=schema={SCHEMA}",
                *arguments,
                f"--file={SCRIPT}",
            ],
            env={**os.environ, "PGPASSWORD": str(target.password)},
            check=True,
            timeout=60,
        )

    def logins(self) -> list[str]:
        """
        Write the statements that make a login for each role, and one for a superuser.
        """
        statements = list[str]()
        for role in ROLES:
            login = f"{self.name(role)}_login"
            options = f"LOGIN PASSWORD '{self._password}'"
            statements += [
                f"CREATE ROLE {login} {options} IN ROLE {self.name(role)}",
                f"ALTER ROLE {login} SET search_path = {SCHEMA}",
            ]
        admin, owner = f"{self.name('admin')}_login", self.name("owner")
        return [
            *statements,
            f"ALTER ROLE {owner}_login SET role = {owner}",
            f"CREATE ROLE {admin} SUPERUSER LOGIN PASSWORD '{self._password}'",
            f"ALTER ROLE {admin} SET search_path = {SCHEMA}",
        ]

    def farewells(self) -> list[str]:
        """
        Write the statements that drop all roles, where no database knows them any more.
        """
        logins = [f"{self.name(role)}_login" for role in (*ROLES, "admin")]
        groups = [self.name(role) for role in ROLES]
        return [f"DROP ROLE IF EXISTS {', '.join(logins + groups)}"]

    def url_as(self, role: str, url: str) -> str:
        """
        Return the URL of a database for the login of a role; "admin" is a superuser.
        """
        target = sa.make_url(url).set(
            username=f"{self.name(role)}_login", password=self._password
        )
        return target.render_as_string(hide_password=False)

    async def execute(self, statements: list[str]) -> None:
        """
        Execute statements as the superuser, each by itself.
        """
        engine = create_engine(self._superuser, isolation_level="AUTOCOMMIT")
        async with engine.connect() as conn:
            for statement in statements:
                await conn.exec_driver_sql(statement)
        await engine.dispose()

    def _as_superuser(self, url: str) -> sa.URL:
        own = self._superuser
        return sa.make_url(url).set(username=own.username, password=own.password)
