"""
Which fields of sessions, runs and events a policy is applied to.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

import attrs

from asm_async.values.event import Event
from asm_async.values.redaction import RedactionPolicy
from asm_async.values.run import Run
from asm_async.values.session import Session

V = TypeVar("V", Session, Run, Event)

# All that hold JSON. By the others values are found, counted and told apart.
_FIELDS: Mapping[type[Session | Run | Event], tuple[str, ...]] = MappingProxyType(
    {
        Session: ("metadata", "context"),
        Run: (
            "input",
            "output",
            "error",
            "metadata",
            "token_usage",
            "provider_metadata",
        ),
        Event: ("data", "metadata"),
    }
)


def redacted(value: V, policy: RedactionPolicy) -> V:
    """
    Return *value*, whose JSON is in normal form, as it may be stored.
    """
    names = _FIELDS[type(value)]
    return attrs.evolve(
        value, **{name: policy.redact(getattr(value, name)) for name in names}
    )
