"""
Pickles, loaded without what they name.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any, Self

# What is remembered under a number takes memory for all smaller ones.
_NUMBERED = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


class StandIn:
    """
    An object of a pickle: what its class would have been given.
    """

    # Without a dictionary, so that a pickle cannot set anything else.
    __slots__ = ("args", "members", "pairs", "state")

    origin: str = ""
    """
    The module and the name of its class.
    """

    args: tuple[Any, ...]
    state: Any
    members: list[Any]
    pairs: dict[Any, Any]

    def __new__(cls, *args: Any, **named: Any) -> Self:
        """
        Remember the arguments.
        """
        made = object.__new__(cls)
        made.args = (*args, named) if named else args
        made.state, made.members, made.pairs = None, [], {}
        return made

    def __setstate__(self, state: Any) -> None:
        """
        Remember the state.
        """
        self.state = state

    def append(self, member: Any) -> None:
        """
        Take a member of what would have been a list.
        """
        self.members.append(member)

    def add(self, member: Any) -> None:
        """
        Take a member of what would have been a set.
        """
        self.members.append(member)

    def __setitem__(self, key: Any, value: Any) -> None:
        """
        Take a member of what would have been a dictionary.
        """
        self.pairs[key] = value


class _StandInUnpickler(pickle.Unpickler):
    """
    Finds a class without any effect for every name.
    """

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """
        Return a new class that remembers the name; nothing is imported.
        """
        # The older protocols have Python 2's name of it.
        module = "builtins" if module_name == "__builtin__" else module_name
        origin = f"{module}.{global_name}"
        return type("StandIn", (StandIn,), {"__slots__": (), "origin": origin})


def load_with_stand_ins(data: bytes) -> Any:
    """
    Return what a pickle holds, with a :class:`StandIn` for each object and class.

    Raises:
        Exception: Whatever a damaged pickle leads to.
    """
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in _NUMBERED and int(argument or 0) > len(data):
            raise ValueError(opcode.name)
    return _StandInUnpickler(io.BytesIO(data)).load()
