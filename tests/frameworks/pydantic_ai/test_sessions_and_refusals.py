"""
What happens to the sessions of conversations, and what the store refuses.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast

import pytest
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
)
from pydantic_ai.messages import (
    ModelRequest,
    UserPromptPart,
)

from asm_async import Event, Ports, RetentionPolicy, Session
from asm_async.errors import (
    ConflictError,
    SessionDeletedError,
    ValidationError,
)
from asm_async.integrations.pydantic_ai import AsmConversationStore
from tests.frameworks.pydantic_ai.told_conversations import (
    ask,
    begin,
    said,
    texts_of,
)


async def test_erasing_a_user_erases_the_entries(ports: Ports) -> None:
    """
    What maintenance erases of a user is gone from the store, with its messages.
    """
    store = AsmConversationStore(ports)
    await ask(store, "talk", "My name is Anna.")
    entries = await store.load_entries("talk")

    await ports.maintenance.erase(user_id="anna")

    assert await store.load("talk") is None
    assert entries
    with pytest.raises(KeyError):
        await store.read_entry(entries[0].id)
    await begin(store, "talk", "anew")


async def test_pruned_events_are_no_loss_to_the_history(ports: Ports) -> None:
    """
    A conversation loads whole, though its events were pruned.
    """
    store = AsmConversationStore(ports)
    await begin(store, "talk", "1", "2", "3")
    session = await store.get_session("talk")
    policy = RetentionPolicy.new(max_events_per_session=1)

    await ports.maintenance.prune_session_events(session.id, policy)

    loaded = await store.load("talk")
    assert loaded is not None
    assert texts_of(loaded.messages) == ["1", "2", "3"]


async def test_a_soft_deleted_session_is_no_conversation(ports: Ports) -> None:
    """
    It is not found or listed, its id is not given to another, and it can be restored.
    """
    store = AsmConversationStore(ports)
    talk = await begin(store, "talk", "1")
    session = await store.get_session("talk")
    await ports.maintenance.soft_delete_session(session.id)

    assert await store.load("talk") is None
    assert await store.list_conversations() == []
    await store.delete("talk")
    with pytest.raises(SessionDeletedError):
        await begin(store, "talk", "2")
    talk.messages += said("2")
    with pytest.raises(ConversationConflict):
        await store.save(talk)

    await ports.maintenance.restore_session(session.id)
    await store.save(talk)


async def test_entries_of_a_soft_deleted_fork_outlive_the_source(ports: Ports) -> None:
    """
    A fork that is restored has the history that it shared, though its source is gone.
    """
    store = AsmConversationStore(ports)
    await begin(store, "talk", "1", "2", "3")
    await store.fork("talk", at=2, new_conversation_id="fork")
    session = await store.get_session("fork")
    await ports.maintenance.soft_delete_session(session.id)

    await store.delete("talk")
    await ports.maintenance.restore_session(session.id)

    loaded = await store.load("fork")
    assert loaded is not None
    assert texts_of(loaded.messages) == ["1", "2"]
    entries = await store.load_entries("fork")
    assert entries
    await store.delete("fork")
    assert not (await ports.query.search_sessions()).items
    # They went with no session, and are freed all the same.
    for entry in entries:
        with pytest.raises(KeyError):
            await store.read_entry(entry.id)


async def test_the_application_may_use_the_session_as_well(ports: Ports) -> None:
    """
    Events, metadata and tags of the application's own stay, and disturb nothing.
    """
    store = AsmConversationStore(ports)
    talk = await begin(store, "talk", "1")
    session = await store.get_session("talk")
    await store.read_record("talk")
    await ports.store.update_session(
        session.id, lambda stored: stored.with_metadata(title="T").with_tags(["x"])
    )
    await ports.store.append_event(Event.new(type="app.rated", session_id=session.id))

    talk.messages += said("2")
    await store.save(talk)

    session = await store.get_session("talk")
    assert (session.metadata["title"], session.tags) == ("T", ("x",))


async def test_a_session_of_the_same_id_is_left_alone(ports: Ports) -> None:
    """
    Where another has the session's id, the conversation has another one.
    """
    theirs = await ports.store.save_session(
        Session.new(id="pydantic-ai/talk", agent_id="theirs")
    )
    store = AsmConversationStore(ports)

    talk = await begin(store, "talk", "1")
    talk.messages += said("2")
    await store.save(talk)

    assert await ports.store.get_session(theirs.id) == theirs
    assert len(await store.load_entries("talk") or ()) == 2


async def test_what_is_no_json_is_refused_and_nothing_is_written(ports: Ports) -> None:
    """
    A message with an object in it is refused by name, and nothing begun.
    """
    store = AsmConversationStore(ports)
    message = ModelRequest(parts=[UserPromptPart("hi")], metadata={"a": object()})
    conversation = Conversation(messages=[message], conversation_id="talk")

    with pytest.raises(ValidationError, match="object"):
        await store.save(conversation)

    assert await store.load("talk") is None
    assert not (await ports.query.search_sessions()).items


async def test_a_stored_entry_never_changes(ports: Ports) -> None:
    """
    A new entry with the id of another one is refused.
    """
    store = AsmConversationStore(ports)
    entry = ConversationEntry(id="e", parent_id=None, message=said("1")[0])
    first = ConversationRecord(conversation_id="a", head_id="e")
    await store.write_record(first, new_entries=[entry], expected_revision=None)
    second = ConversationRecord(conversation_id="b", head_id="e")

    with pytest.raises(ConflictError, match="'e'"):
        await store.write_record(second, new_entries=[entry], expected_revision=None)
    with pytest.raises(ValidationError, match="is given twice"):
        await store.write_record(
            second, new_entries=[entry, entry], expected_revision=None
        )
    assert await store.read_record("b") is None


async def test_what_follows_nothing_is_refused(ports: Ports) -> None:
    """
    A head, a branch and a parent that is stored nowhere is a conflict.
    """
    store = AsmConversationStore(ports)
    lost = ConversationEntry(id="e", parent_id="nobody's", message=said("1")[0])
    for record, entries in [
        (ConversationRecord(conversation_id="a", head_id="nobody's"), []),
        (ConversationRecord(conversation_id="a", head_id="e"), [lost]),
        (
            ConversationRecord(
                conversation_id="a", head_id=None, branches=["nobody's"]
            ),
            [],
        ),
    ]:
        with pytest.raises(ConversationConflict):
            await store.write_record(
                record, new_entries=entries, expected_revision=None
            )
    assert await store.list_conversations() == []


async def test_bad_arguments_are_named(ports: Ports) -> None:
    """
    An argument that is wrong is named, before anything is read or written.
    """
    with pytest.raises(ValidationError, match="agent_id"):
        AsmConversationStore(ports, agent_id="")
    with pytest.raises(ValidationError, match="ports"):
        AsmConversationStore(cast("Ports", ports.store))
    store = AsmConversationStore(ports)
    naive = ConversationRecord(
        conversation_id="a",
        head_id=None,
        updated_at=datetime(2026, 1, 1),  # noqa: DTZ001 - what is tested
    )
    with pytest.raises(ValidationError, match="_at"):
        await store.write_record(naive, expected_revision=None)
    assert await store.list_conversations() == []
