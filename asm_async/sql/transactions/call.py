"""
One call, from when it begins to try until it has ended.
"""

from __future__ import annotations

from typing import Any

import attrs


@attrs.define
class Call:
    """
    A call that goes on trying until its *deadline*, on the loop's clock.
    """

    deadline: float
    writes: bool = True
    driver: Any = None
    """
    The driver's connection, as long as there is one.
    """

    is_working: bool = False
    """
    Whether what is executed on it is the caller's, not what cleans up.
    """

    has_begun: bool = False
    is_withdrawn: bool = False
    may_be_committed: bool = False

    @property
    def has_effect(self) -> bool:
        """
        Whether something was done whose outcome must be waited for.
        """
        return self.has_begun or self.may_be_committed
