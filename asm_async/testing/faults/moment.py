"""
When, of an exchange, something happens to it.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Moment"]


class Moment(StrEnum):
    """
    The moments that differ in what has been done, and in who knows.
    """

    BEFORE_SEND = "before_send"
    """
    The party that is asked knows nothing yet.
    """

    AFTER_SEND = "after_send"
    """
    The party that is asked knows; it may or may not do it.
    """

    BEFORE_ANSWER = "before_answer"
    """
    It is done, and the answer is there, but the party that asked has not heard it.
    """
