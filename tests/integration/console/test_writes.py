"""
What a console may write, where it may: names, tags, and soft deletion.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from asm_async.testing.factories import make_session
from tests.integration.console.serving import Console


@pytest.fixture
async def console(writable_console: Console) -> Console:
    """
    Return a console that may write, with a session.
    """
    session = make_session(tags=("a",), metadata={"name": "n", "k": [1]})
    await writable_console.ports.store.save_session(session)
    return writable_console


async def test_a_session_is_renamed_and_loses_its_name_again(console: Console) -> None:
    """
    The title is a key of the metadata; all else of these stays.
    """
    answer = await console.post(
        "session/rename", {"title": "Ünïcode"}, session_id="ses_1"
    )

    assert answer.json()["title"] == "Ünïcode"
    stored = await console.ports.store.get_session("ses_1")
    assert stored.metadata == {"name": "n", "k": [1], "title": "Ünïcode"}
    answer = await console.post("session/rename", {"title": None}, session_id="ses_1")
    assert answer.json()["title"] == "n"
    stored = await console.ports.store.get_session("ses_1")
    assert stored.metadata == {"name": "n", "k": [1]}


async def test_tags_are_added_and_removed(console: Console) -> None:
    """
    Tags that are added come last, those that are removed are gone.
    """
    answer = await console.post(
        "session/tags", {"add": ["b", "c"], "remove": ["a"]}, session_id="ses_1"
    )

    assert answer.json()["tags"] == ["b", "c"]
    assert (await console.ports.store.get_session("ses_1")).tags == ("b", "c")


async def test_a_session_is_deleted_and_restored(console: Console) -> None:
    """
    Deletion marks a session, which is shown as deleted, and is undone.
    """
    deleted = await console.post("session/delete", {}, session_id="ses_1")

    assert deleted.json()["deleted_at"] is not None
    refused = await console.post("session/rename", {"title": "x"}, session_id="ses_1")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert refused.json()["code"] == "session_deleted"
    restored = await console.post("session/restore", {}, session_id="ses_1")
    assert restored.json()["deleted_at"] is None


@pytest.mark.parametrize(
    ("path", "body", "culprit"),
    [
        ("session/rename", {}, "title"),
        ("session/rename", {"title": 1}, "title"),
        ("session/rename", {"title": ""}, "title"),
        ("session/rename", {"title": "x" * 201}, "title"),
        ("session/rename", {"title": "x", "more": 1}, "more"),
        ("session/tags", {"add": "abc"}, "add"),
        ("session/tags", {"remove": [1]}, "remove"),
        ("session/delete", {"hard": True}, "hard"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_named(
    console: Console, path: str, body: dict[str, Any], culprit: str
) -> None:
    """
    A body that says something else is refused with its culprit, and nothing is written.
    """
    answer = await console.post(path, body, session_id="ses_1")

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert culprit in answer.json()["detail"]
    assert (await console.ports.store.get_session("ses_1")).revision == 1
