"""
What the framework reports of a response, as a run with its token usage.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import attrs
from agent_framework import AgentResponse, SupportsAgentRun

from asm_async.errors import ValidationError
from asm_async.usage import token_usage_of
from asm_async.values import fields
from asm_async.values.json_values import JSONObject, normalise_json_object
from asm_async.values.run import Run
from asm_async.values.token_usage import usage_together


@attrs.frozen(eq=False)
class Report:
    """
    Which agent answered, and what it is known to have used.
    """

    agent: SupportsAgentRun | None
    """
    The agent.
    """

    response: AgentResponse[Any]
    """
    Its response.
    """

    def run(self, session_id: str) -> Run:
        """
        Return the run that it was, over and completed.

        Raises:
            ValidationError: If what the framework counted is no count.
        """
        details: Any = self.response.usage_details or {}
        usage = normalise_json_object(details, "response.usage_details")
        agent, client = self.agent, getattr(self.agent, "client", None)
        known = {
            "agent_id": getattr(agent, "id", None),
            "agent_name": getattr(agent, "name", None),
            "response_id": self.response.response_id,
            "finish_reason": self.response.finish_reason,
        }
        run = _run(
            session_id,
            usage,
            provider=_label(getattr(client, "OTEL_PROVIDER_NAME", None)),
            model=_model(self.response.raw_representation),
        )
        metadata = {name: str(value) for name, value in known.items() if value}
        return attrs.evolve(run, metadata=metadata)


def run_of_contents(session_id: str, records: Iterable[JSONObject]) -> Run | None:
    """
    Return a run with the usage that messages carry among their contents, None if none.

    Raises:
        ValidationError: If what they count is no count.
    """
    usage: JSONObject | None = None
    for record in records:
        for content in cast("list[JSONObject]", record.get("contents") or []):
            if content.get("type") == "usage":
                more = cast("JSONObject", content.get("usage_details") or {})
                usage = usage_together(usage or {}, more)
    return None if usage is None else _run(session_id, usage)


def _run(
    session_id: str,
    usage: JSONObject,
    *,
    provider: str | None = None,
    model: str | None = None,
) -> Run:
    reported = {"model": model, "usage": usage or None}
    run = Run.new(
        session_id=session_id,
        provider=provider,
        provider_metadata={name: value for name, value in reported.items() if value},
    )
    return run.complete().update_token_usage(token_usage_of(usage))


def _model(raw: object) -> str | None:
    """
    Return the model that answered, from the response that an agent's was made of.

    That of a stream is the list of what came, piece by piece; the model that answered
    last is the one that counts.
    """
    pieces = cast("list[object]", raw) if isinstance(raw, list) else [raw]
    for piece in reversed(pieces):
        whole = getattr(piece, "raw_representation", None)
        for each in (piece, whole):
            if model := _label(getattr(each, "model", None)):
                return model
    return None


def _label(value: object) -> str | None:
    """
    Return a name that a run can be searched by, None if it is none.
    """
    if value in {None, "unknown"}:
        return None
    try:
        return fields.text(value, "value")
    except ValidationError:
        return None
