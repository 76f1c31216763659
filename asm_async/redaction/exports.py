"""
Redacting what comes from a file, or goes into one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from asm_async.coded.coding import Coding
from asm_async.coded.exports import changed_export
from asm_async.ports.history_transfer import MAX_LINE_BYTES, ImportReader
from asm_async.redaction.coder import RedactingCoder
from asm_async.values.redaction import RedactionPolicy


async def redacted_export(
    reader: ImportReader,
    policy: RedactionPolicy,
    *,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> AsyncGenerator[bytes]:
    """
    Yield an export, some lines at a time, without what *policy* replaces.

    Of artifacts the *metadata* is redacted, of state items the *data*; what is in their
    contents is not looked at.

    What comes out is an export again, which ``import_sessions`` takes. The same export
    and policy always give the same lines, so that an import may be repeated.

    Args:
        reader: An async iterable of bytes, cut anywhere, as for ``import_sessions``.

        policy: What to leave out.

        max_line_bytes: The longest line to accept.

    Raises:
        ValidationError: With the number of the line that is wrong.
    """
    redact = Coding(RedactingCoder(policy)).encoded
    lines = changed_export(reader, redact, max_line_bytes=max_line_bytes)
    async with aclosing(lines):
        async for some in lines:
            yield some
