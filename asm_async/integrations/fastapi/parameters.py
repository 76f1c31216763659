"""
The parameters of queries: what the ports' searches take is read off the ports.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from inspect import Parameter, Signature, signature
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias, get_type_hints

from fastapi import Depends, Path, Query
from pydantic import BeforeValidator, Field

from asm_async.conventions import Role
from asm_async.integrations.fastapi import schema_models
from asm_async.integrations.fastapi.schema_models import EventTypeText
from asm_async.ports.query_api import QueryAPI, UsageDimension
from asm_async.ports.text_search import TextSearch
from asm_async.values.event import EventType
from asm_async.values.fields import MAX_TEXT_LENGTH
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus
from asm_async.values.text_query import MAX_QUERY_LENGTH

MAX_PAGE_SIZE = 200
"""
The longest page: shorter than the ports', since whole events are sent.
"""

MAX_VALUES = 100
"""
How many values a parameter may be given that takes several.
"""


def _time(value: Any) -> datetime:
    # Text with a zone: pydantic would take numbers, too.
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("expected an ISO 8601 time") from None
    if time.tzinfo is None:
        raise ValueError("expected a time with its zone, such as Z")
    return time


_IdText: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00/]*$")
]
SessionIdPath: TypeAlias = Annotated[
    _IdText,
    Path(
        description="The session's id.",
        examples=["ses_019b7e20a5c07d4f8a1b2c3d4e5f6070"],
    ),
]
RunIdPath: TypeAlias = Annotated[
    _IdText,
    Path(
        description="The run's id.",
        examples=["run_019b7e20a5c07d4f8a1b2c3d4e5f6072"],
    ),
]
Text: TypeAlias = Annotated[schema_models.Text | None, Query()]
TextList: TypeAlias = Annotated[
    list[schema_models.Text] | None, Query(max_length=MAX_VALUES)
]
EventTypeQuery: TypeAlias = Annotated[EventTypeText | None, Query()]
EventTypes: TypeAlias = Annotated[
    list[EventTypeText] | None, Query(max_length=MAX_VALUES)
]
_SessionStatuses: TypeAlias = Annotated[list[SessionStatus] | None, Query()]
_Dimensions: TypeAlias = Annotated[list[UsageDimension] | None, Query()]
RunStatuses: TypeAlias = Annotated[list[RunStatus] | None, Query()]
_Roles: TypeAlias = Annotated[list[Role] | None, Query()]
SearchedText: TypeAlias = Annotated[
    str,
    Query(
        max_length=MAX_QUERY_LENGTH,
        description='As people type it: words, "a phrase", -without, prefix*, *part*.',
        examples=['lost "baggage claim" -refund'],
    ),
]
VisibleOnly: TypeAlias = Annotated[
    bool, Query(description="Leave out retractions and what they have hidden.")
]
Count: TypeAlias = Annotated[schema_models.Count | None, Query()]
Time: TypeAlias = Annotated[
    Annotated[schema_models.Time, BeforeValidator(_time)] | None, Query()
]
TenantId: TypeAlias = Annotated[
    schema_models.Text | None,
    Query(
        description="Only of this tenant; a request of another tenant finds none (404)."
    ),
]
Limit: TypeAlias = Annotated[
    int, Query(ge=0, le=MAX_PAGE_SIZE, description="At most so many on this page.")
]
Cursor: TypeAlias = Annotated[
    str | None,
    Query(description="Where the page begins: the `cursor` of the page before."),
]


_Given: TypeAlias = dict[str, Any]

_PARAMETERS: Mapping[Any, Any] = MappingProxyType(
    {
        "query": SearchedText,
        "tenant_id": TenantId,
        "limit": Limit,
        "cursor": Cursor,
        str | None: Text,
        int | None: Count,
        datetime | None: Time,
        str | Collection[str] | None: _Roles,
        Collection[str]: TextList,
        Collection[str] | None: TextList,
        EventType | str | Collection[EventType | str] | None: EventTypes,
        SessionStatus | Collection[SessionStatus] | None: _SessionStatuses,
        UsageDimension | Collection[UsageDimension]: _Dimensions,
        RunStatus | Collection[RunStatus] | None: RunStatuses,
    }
)
_OF_PAGES = frozenset({"order_by", "limit", "cursor", "count_total"})
_OF_CODE = frozenset({"self", "writer", "progress"})


class _Arguments:
    """
    A dependency that collects parameters of a query, but for those that are not given.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.__signature__ = Signature(list(parameters))

    async def __call__(self, **given: Any) -> _Given:
        given |= given.pop("filters", {})
        return {name: value for name, value in given.items() if value is not None}


def _arguments(method: Callable[..., Any]) -> Any:
    """
    Return the dependency that reads the arguments of a port's *method* off a query.
    """
    hints = get_type_hints(method)
    taken = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=None if argument.default == () else argument.default,
            annotation=_PARAMETERS.get(name)
            or _PARAMETERS.get(hints[name], hints[name]),
        )
        for name, argument in signature(method).parameters.items()
        if name not in _OF_CODE
    ]
    # The tenant comes before what else a search may be narrowed by.
    taken.sort(key=lambda parameter: parameter.name != "tenant_id")
    paging = [parameter for parameter in taken if parameter.name in _OF_PAGES]
    filters = Depends(_Arguments(each for each in taken if each not in paging))
    if not paging:
        return filters
    narrowing = Annotated[_Given, filters]
    nested = Parameter("filters", Parameter.KEYWORD_ONLY, annotation=narrowing)
    return Depends(_Arguments([*paging, nested]))


SessionQuery: TypeAlias = Annotated[_Given, _arguments(QueryAPI.search_sessions)]
ExportQuery: TypeAlias = Annotated[_Given, _arguments(QueryAPI.export_sessions)]
RunQuery: TypeAlias = Annotated[_Given, _arguments(QueryAPI.search_runs)]
EventQuery: TypeAlias = Annotated[_Given, _arguments(QueryAPI.search_events)]
CountQuery: TypeAlias = Annotated[_Given, _arguments(QueryAPI.count_events)]
TextSearchQuery: TypeAlias = Annotated[_Given, _arguments(TextSearch.search_text)]
SummaryQuery: TypeAlias = Annotated[_Given, _arguments(QueryAPI.get_usage_summary)]
