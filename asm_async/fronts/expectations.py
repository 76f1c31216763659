"""
What a write expects of what is stored, and by what it is known when it comes again.
"""

from __future__ import annotations

import attrs

from asm_async.values.fields import Count, Text
from asm_async.values.ids import new_operation_id
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class Expectations(Value):
    """
    The expectations of one save or flush; None stands for any.

    Raises:
        ValidationError: Naming the expectation that is wrong.
    """

    expected_revision: Count | None = None
    expected_sequence: Count | None = None
    operation_id: Text | None = None
    """
    The id of the call; one of its own unless it was given.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.operation_id is None:
            object.__setattr__(self, "operation_id", new_operation_id())
