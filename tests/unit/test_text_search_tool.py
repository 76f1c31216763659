from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator
from typing import Any, get_type_hints

import pytest

from asm_async import InMemoryPorts
from asm_async.errors import StoreClosedError, ValidationError
from asm_async.ports.text_search import TextSearch
from asm_async.testing.factories import make_event, make_session
from asm_async.tools import MAX_ANSWER_LENGTH, text_search_tool


@pytest.fixture
async def search() -> AsyncGenerator[TextSearch]:
    """
    Index what two users of two tenants have said.
    """
    async with InMemoryPorts() as ports:
        for tenant in ("acme", "other"):
            for user in ("kim", "lee"):
                id_ = f"{tenant}/{user}"
                metadata = {"title": f"Trip of {user}"}
                await ports.store.save_session(
                    make_session(
                        id=id_, tenant_id=tenant, user_id=user, metadata=metadata
                    )
                )
                said = {"content": f"my luggage is lost, said {id_}", "role": "user"}
                await ports.store.append_event(make_event(session_id=id_, data=said))
        assert ports.text_search is not None
        await ports.text_search.update()
        yield ports.text_search


def sessions_in(answer: str) -> list[str]:
    """
    Return the sessions that an answer names.
    """
    return sorted(match["session_id"] for match in json.loads(answer)["matches"])


async def test_the_host_decides_whose_past_is_searched(search: TextSearch) -> None:
    """
    Neither the words of a query nor further arguments lead to anybody else's.
    """
    tool = text_search_tool(search, tenant_id="acme", user_id="kim")

    found = await tool.call({"query": "luggage"})

    assert json.loads(found) == {
        "matches": [
            {
                "session_id": "acme/kim",
                "title": "Trip of kim",
                "time": "2026-01-02T12:00:00+00:00",
                "speaker": "user",
                "text": "my luggage is lost, said acme/kim",
            }
        ],
        "has_more": False,
    }
    assert sessions_in(await tool.call({"query": "other lee"})) == []
    for more in ("tenant_id", "user_id", "session_id", "cursor"):
        answer = await tool.call({"query": "luggage", more: "other"})
        assert json.loads(answer) == {"error": f"there is no argument {more!r}"}


async def test_each_owner_is_fixed_alone_too(search: TextSearch) -> None:
    """
    None has to be written, and stands for all.
    """
    of_tenant = text_search_tool(search, tenant_id="acme", user_id=None)
    of_user = text_search_tool(search, tenant_id=None, user_id="kim")
    of_session = text_search_tool(
        search, tenant_id=None, user_id=None, session_id="other/lee"
    )

    assert sessions_in(await of_tenant.function("luggage")) == ["acme/kim", "acme/lee"]
    assert sessions_in(await of_user.function("luggage")) == ["acme/kim", "other/kim"]
    assert sessions_in(await of_session.function("luggage")) == ["other/lee"]
    with pytest.raises(TypeError):
        text_search_tool(search)  # type: ignore[call-arg] # what is proved
    with pytest.raises(ValidationError, match=r"^tenant_id"):
        text_search_tool(search, tenant_id="", user_id=None)


async def test_frameworks_see_a_function(search: TextSearch) -> None:
    """
    It has a name, a docstring, and two annotated parameters.
    """
    tool = text_search_tool(search, tenant_id=None, user_id=None, name="recall")
    function: Any = tool.function

    assert inspect.iscoroutinefunction(function)
    assert function.__name__ == tool.name == "recall"
    assert function.__doc__.startswith(tool.description)
    assert "query: The words to look for" in function.__doc__
    assert list(inspect.signature(function).parameters) == ["query", "limit"]
    assert get_type_hints(function) == {"query": str, "limit": int, "return": str}
    assert set(tool.parameters["properties"]) == {"query", "limit"}
    assert json.loads(json.dumps(dict(tool.parameters))) == tool.parameters


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("{", "Expecting property name"),
        ("[]", "expected an object of arguments"),
        ("{}", "query: this required argument is missing"),
        ('{"query": 1}', "query: expected"),
        ('{"query": "x", "limit": 0}', "limit: expected 1 to 20, got 0"),
        ('{"query": "x", "limit": 21}', "limit: expected 1 to 20, got 21"),
        ('{"query": "x", "limit": "5"}', "limit: expected"),
        ("[" * 100_000, "maximum recursion depth"),
        ({"query": "x" * 5_000}, "query: expected at most 4096 characters"),
    ],
)
async def test_a_model_is_told_what_is_wrong(
    search: TextSearch, arguments: Any, error: str
) -> None:
    """
    With an answer: what a model writes never raises.
    """
    tool = text_search_tool(search, tenant_id=None, user_id=None)

    answer = json.loads(await tool.call(arguments))

    assert list(answer) == ["error"]
    assert answer["error"].startswith(error)


async def test_an_answer_is_bounded() -> None:
    """
    However long ids and texts are; it can be encoded, and says that there is more.
    """
    async with InMemoryPorts() as ports:
        for number in range(25):
            id_ = f"{number}{'東' * 250}"
            title = {"title": '"' * 1_000}
            await ports.store.save_session(make_session(id=id_, metadata=title))
            data = {"content": "\udfff\x01 luggage " * 1_000}
            await ports.store.append_event(make_event(session_id=id_, data=data))
        assert ports.text_search is not None
        await ports.text_search.update()
        tool = text_search_tool(ports.text_search, tenant_id=None, user_id=None)

        few = await tool.call({"query": "luggage"})
        many = await tool.call({"query": "luggage", "limit": 20})

    assert len(json.loads(few)["matches"]) == 5
    assert json.loads(few)["has_more"]
    assert 5 < len(json.loads(many)["matches"]) < 20
    assert json.loads(many)["has_more"]
    assert len(many.encode()) < 4 * MAX_ANSWER_LENGTH
    assert len(many) <= MAX_ANSWER_LENGTH


async def test_errors_of_the_database_are_the_hosts(search: TextSearch) -> None:
    """
    They are raised, for the framework to handle.
    """
    tool = text_search_tool(search, tenant_id=None, user_id=None)
    await search.aclose()

    with pytest.raises(StoreClosedError):
        await tool.call({"query": "x"})
