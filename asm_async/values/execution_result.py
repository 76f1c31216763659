"""
What one execution of an agent leaves behind.
"""

from __future__ import annotations

from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.values.event import Event
from asm_async.values.json_values import JSONObject
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class ExecutionResult(Value):
    """
    A session, one of its runs and that run's events, to be stored all or nothing.

    Raises:
        ValidationError: If the run or an event belongs to another session.
    """

    session: Session
    """
    The session as the execution left it.
    """

    run: Run
    """
    The run as it ended; of that session.
    """

    events: tuple[Event, ...] = ()
    """
    What happened, oldest first; of that session.
    """

    provider_metadata: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    What the provider reported: laid over the run's own when this value is made, so that
    a store gives it back there and nowhere else.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        members: tuple[Run | Event, ...] = (self.run, *self.events)
        for index, owned in enumerate(members, start=-1):
            if owned.session_id != self.session.id:
                name = "run" if index < 0 else f"events[{index}]"
                raise ValidationError(
                    f"{name}: {owned.id!r} belongs to session {owned.session_id!r},"
                    f" not to {self.session.id!r}"
                )
        if self.provider_metadata:
            merged = {**self.run.provider_metadata, **self.provider_metadata}
            run = attrs.evolve(self.run, provider_metadata=merged)
            object.__setattr__(self, "run", run)
