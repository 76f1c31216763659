"""
Ways to the tests' PostgreSQL server on which misfortune can be brought about.
"""

from __future__ import annotations

import sqlalchemy as sa

from asm_async.testing.faults import TCPProxy

__all__ = ["by_way", "way_to"]


def way_to(url: str) -> TCPProxy:
    """
    Make a way to the server of a database.
    """
    target = sa.make_url(url)
    return TCPProxy(target.host or "127.0.0.1", target.port or 5432)


def by_way(way: TCPProxy, url: str) -> str:
    """
    Return the URL of a database by a way; what is encrypted could not be read there.
    """
    plain = sa.make_url(way.url(url)).update_query_dict({"ssl": "disable"})
    return plain.render_as_string(hide_password=False)
