from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, get_args

import attrs
import pytest

from asm_async.errors import InvalidCursorError, ValidationError
from asm_async.fronts.paging import Paging, Search, check_paging
from asm_async.fronts.query_filters import EventSearch, RunSearch, SessionSearch
from asm_async.ports import query_api
from asm_async.testing.factories import NOON, make_run, make_session
from asm_async.values import fields
from asm_async.values.event import EventType
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

TOKYO = timezone(timedelta(hours=9))


def make_paging(search: Search | None = None, **arguments: Any) -> Paging:
    """
    Accept the first page of a search of sessions, but for what is given.
    """
    defaults: dict[str, Any] = {
        "order_by": "created_at_asc",
        "limit": 2,
        "cursor": None,
    }
    return check_paging(search or SessionSearch(), **(defaults | arguments))


@pytest.mark.parametrize(
    ("search", "orders"),
    [
        (SessionSearch, query_api.SessionOrder),
        (RunSearch, query_api.RunOrder),
        (EventSearch, query_api.EventOrder),
    ],
    ids=["sessions", "runs", "events"],
)
def test_a_search_has_the_orders_and_filters_of_the_port(
    search: type[Search], orders: Any
) -> None:
    """
    What the port names is what is checked, and each order ends in what tells apart.
    """
    method = getattr(query_api.QueryAPI, f"search_{search.RESOURCE}")
    paging = {"self", "order_by", "limit", "cursor", "count_total"}
    names = method.__code__.co_varnames[: 1 + method.__code__.co_kwonlyargcount]

    assert set(search.ORDERS) == set(get_args(orders))
    assert {field.name for field in attrs.fields(search)} == set(names) - paging
    for order in search.ORDERS.values():
        assert list(order.key)[-1] in {"id", "sequence_number"}


def test_filters_are_brought_into_one_form() -> None:
    """
    Values stand once and in order, times in UTC, statuses as what they are.
    """
    # One alone may be given as well, though a filter always has several.
    alone: Any = SessionStatus.ACTIVE
    sessions = SessionSearch(status=alone, tags=["b", "a", "b"])
    runs = RunSearch(status=[RunStatus.RUNNING, RunStatus.FAILED])
    events = EventSearch(
        types={"message_sent", "app.own"}, since=NOON.astimezone(TOKYO)
    )

    assert sessions.status == (SessionStatus.ACTIVE,)
    assert sessions.tags == ("a", "b")
    assert runs.status == (RunStatus.FAILED, RunStatus.RUNNING)
    assert events.types == ("app.own", EventType.MESSAGE_SENT)
    assert (events.since, events.session_ids) == (NOON, None)


def test_filters_that_are_not_set_leave_no_trace() -> None:
    """
    What a later version can filter by does not change the cursors of today.
    """
    assert SessionSearch().filters == {}
    assert EventSearch(session_ids=[]).filters == {"session_ids": []}
    set_ones = RunSearch(min_tokens=0, started_after=NOON).filters
    time = "2026-01-02T12:00:00.000000+00:00"
    assert set_ones == {"min_tokens": 0, "started_after": time}


@pytest.mark.parametrize(("limit", "needed"), [(0, 0), (1, 2), (1_000, 1_001)])
def test_one_item_more_tells_of_another_page(limit: int, needed: int) -> None:
    """
    A page of none needs none.
    """
    assert make_paging(limit=limit).needed == needed


def test_a_page_leads_behind_its_last_item() -> None:
    """
    And nowhere if all that was found is on it.
    """
    sessions = [make_session(id=f"ses_{number}") for number in range(3)]
    paging = make_paging()
    page = paging.page(sessions, total_count=7)
    last = paging.page(sessions[:2])

    assert (page.items, page.total_count) == ((sessions[0], sessions[1]), 7)
    assert make_paging(cursor=page.cursor).behind == (NOON, "ses_1")
    assert (last.items, last.cursor) == (page.items, None)


def test_a_run_has_its_place_by_a_total_that_is_made() -> None:
    """
    Where none is told, input and output make one.
    """
    run = make_run(token_usage={"input_tokens": 3, "output_tokens": 4})
    paging = make_paging(RunSearch(), order_by="token_usage_desc")

    assert paging.order.key_of(run) == (7, "run_1")
    assert paging.order.is_descending


def test_a_cursor_is_good_for_its_filters_alone() -> None:
    """
    The codec of a search knows its resource, order and filters.
    """
    sessions = [make_session(id=f"ses_{number}") for number in range(3)]
    cursor = make_paging(SessionSearch(tenant_id="a")).page(sessions).cursor

    assert make_paging(SessionSearch(tenant_id="a"), cursor=cursor).behind is not None
    with pytest.raises(InvalidCursorError):
        make_paging(SessionSearch(tenant_id="b"), cursor=cursor)


@pytest.mark.parametrize("value", [None, 0, 1, "True", datetime])
def test_a_claim_is_true_or_false(value: object) -> None:
    """
    Nothing is taken for a truth value that is none.
    """
    assert fields.boolean(value=True, name="claim") is True
    with pytest.raises(ValidationError, match="claim: expected True or False, got a"):
        fields.boolean(value, "claim")
