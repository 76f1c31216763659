"""
The Alembic environment of an application that has a table of its own.
"""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from asm_async.sql import migrations

url = sa.make_url(context.config.attributes["url"])
metadata = sa.MetaData()
sa.Table("notes", metadata, sa.Column("id", sa.Integer, primary_key=True))


def migrate(conn: sa.Connection) -> None:
    """
    Run the revisions in one transaction, where the database can.
    """
    context.configure(
        connection=conn,
        target_metadata=metadata,
        include_name=context.config.attributes.get(
            "include_name", migrations.include_name
        ),
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_async() -> None:
    """
    Run them on a connection of an asynchronous engine.
    """
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as conn:
        await conn.run_sync(migrate)
        await conn.commit()


if context.is_offline_mode():
    context.configure(url=url, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
elif url.get_dialect().is_async:
    asyncio.run(migrate_async())
else:
    with sa.create_engine(url, poolclass=NullPool).connect() as conn:
        migrate(conn)
        conn.commit()
