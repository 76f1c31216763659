"""
What all errors have in common.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar, cast

T = TypeVar("T")


class Argument(Generic[T]):
    """
    One of an exception's ``args``, by name.
    """

    def __init__(self, index: int) -> None:
        self._index = index

    def __get__(self, error: ASMError, kind: type[ASMError]) -> T:
        return cast("T", error.args[self._index])


class ASMError(Exception):
    """
    The base of every error of this library.
    """

    code: ClassVar[str] = "asm_error"
    """
    A stable, machine-readable name of the fact.
    """

    category: ClassVar[str] = "internal"
    """
    The family: validation, not_found, conflict, unsupported, closed, storage,
    dependency.
    """

    retryable: ClassVar[bool] = False
    """
    Whether the same call, unchanged, may succeed later.
    """

    _TEXT: ClassVar[str] = "{}"

    def __str__(self) -> str:
        return self._TEXT.format(*self.args) if self.args else type(self).__name__
