"""
What differs between the databases in how copies of a server follow it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import NamedTuple

from asm_async.sql.core.prepared import Prepared, Row


class ServerPlace(NamedTuple):
    """
    Which history a server holds, and how far it has come in it.
    """

    is_standby: bool
    system: int
    """
    What a server and all copies that follow it have in common, and no others.
    """

    position: int
    """
    Up to where a standby has the history, or where that of a primary ends.
    """


class ReplicationDialect(ABC):
    """
    One database's way to tell how far a copy of it is.
    """

    @cached_property
    @abstractmethod
    def place(self) -> Prepared:
        """
        The query that asks a server for its place; it has no parameters.
        """

    @abstractmethod
    def place_of(self, row: Row) -> ServerPlace:
        """
        Return the place that :attr:`place` has found.
        """
