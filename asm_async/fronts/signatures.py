"""
Methods of fronts whose arguments are described in the port alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def takes_arguments_of(
    method: Callable[Concatenate[Any, P], object],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Any, P], R]]:
    """
    Have a function take what a port's *method* takes: names, types and defaults.

    The function names the arguments that it looks at itself, and hands on the rest as
    it was given them; what refuses an unknown name is the filter that is made of them.
    """

    def described(function: Any) -> Any:
        function.__kwdefaults__ = getattr(method, "__kwdefaults__", None)
        function.__wrapped__ = method
        return function

    return described
