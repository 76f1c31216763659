"""
The caller's value is wrong.
"""

from __future__ import annotations

from asm_async.errors.base import ASMError


class ValidationError(ASMError, ValueError):
    """
    A value given by the caller is wrong; nothing was written.
    """

    code = "validation_error"
    category = "validation"


class InvalidCursorError(ValidationError):
    """
    A cursor is malformed, or belongs to another query.
    """

    code = "invalid_cursor"


class InvalidCheckpointError(ValidationError):
    """
    A checkpoint is malformed, or belongs to another feed.
    """

    code = "invalid_checkpoint"
