"""
The library is used where it cannot be.
"""

from __future__ import annotations

from asm_async.errors.base import ASMError


class UnsupportedOperationError(ASMError):
    """
    The backend cannot do it faithfully, so it does not do it at all.
    """

    code = "unsupported_operation"
    category = "unsupported"


class StoreClosedError(ASMError):
    """
    The store was closed, or belongs to another event loop.
    """

    code = "store_closed"
    category = "closed"


class MissingDependencyError(ASMError, ImportError):
    """
    An optional dependency is not installed.
    """

    code = "missing_dependency"
    _TEXT = "{} is not installed: pip install 'asm_async[{}]'"
    category = "dependency"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
