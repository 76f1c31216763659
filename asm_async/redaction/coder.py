"""
What of values is redacted before they are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import attrs

from asm_async.coded import CodedValue, Coder
from asm_async.fronts.loop_share import LoopShare, in_steps
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.json_outline import PIECE_LENGTH
from asm_async.values.json_pieces import change_in_pieces
from asm_async.values.json_values import EncodedJSON, encode_json
from asm_async.values.redaction import RedactionPolicy
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

# All that hold JSON. By the others values are found, counted and told apart.
_FIELDS: Mapping[type[CodedValue], tuple[str, ...]] = MappingProxyType(
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
        Artifact: ("metadata",),
        StateItem: ("data",),
        Event: ("data", "metadata"),
    }
)


class RedactingCoder(Coder):
    """
    Redacts values before they are stored; reads return the stored values.

    The same value gives the same redacted value, so that a call may be repeated.

    Args:
        policy: What to leave out.

    Raises:
        ValidationError: If *policy* is something else.
    """

    is_reversible: ClassVar[bool] = False
    passes_text: ClassVar[bool] = True

    def __init__(self, policy: RedactionPolicy) -> None:
        self._policy = fields.instance(policy, "policy", RedactionPolicy)

    async def encode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Return the values, whose JSON is in normal form, as they may be stored.
        """
        share, redacted = LoopShare(), list[CodedValue]()
        for value in values:
            names = _FIELDS[type(value)]
            changes = {name: await self._json(getattr(value, name)) for name in names}
            made: Any = attrs.evolve(value, **changes)
            redacted.append(made)
            await share.rest()
        return redacted

    async def _json(self, value: object) -> Any:
        policy = self._policy
        if type(value) is not EncodedJSON:
            return await in_steps(policy.redact_in_steps(value))
        if len(value) > PIECE_LENGTH and value.startswith(("{", "[")):
            return await in_steps(change_in_pieces(value, policy.redact_in_steps))
        return EncodedJSON(encode_json(policy.redact(value)))
