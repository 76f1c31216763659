from __future__ import annotations

from typing import Any

from asm_async import EventType, Ports, RetentionPolicy, Session
from asm_async.conventions import shape_warnings
from asm_async.integrations.claude_agent import AGENT_ID, AsmSessionStore
from asm_async.transcripts import read_transcript
from tests.frameworks.claude_agent.entries import (
    KEY,
    answered,
    call,
    conversation,
    result,
    said,
    text,
)

SESSION_ID = "claude-agent/-srv-shop/3f0c"


async def test_a_transcript_reads_as_the_conversation_it_was(ports: Ports) -> None:
    """
    What a model was told is what a model can be told again, calls with their results.
    """
    store, entries = AsmSessionStore(ports), conversation()
    for entry in entries:
        await store.append(KEY, [entry])

    transcript = await read_transcript(ports.store, SESSION_ID)

    thought = entries[2]["message"]["content"][0]
    calls = [entries[4], entries[6]]
    assert transcript.to_anthropic() == [
        {"role": "user", "content": "What is in a.txt?"},
        # As the SDK has it: of one answer, which the API joins again.
        {"role": "assistant", "content": [thought]},
        {
            "role": "assistant",
            "content": [text("I look."), *calls[0]["message"]["content"]],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": "no such file",
                    "is_error": True,
                }
            ],
        },
        {"role": "assistant", "content": calls[1]["message"]["content"]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t2", "content": "b.txt"},
                {"type": "tool_result", "tool_use_id": "t3", "content": "/srv/shop"},
            ],
        },
        {"role": "assistant", "content": "There is only b.txt."},
    ]


async def test_events_have_the_usual_types_and_layouts(ports: Ports) -> None:
    """
    Messages, calls and results are told by type, results by their tool's name.
    """
    store = AsmSessionStore(ports)
    for entry in conversation():
        await store.append(KEY, [entry])

    events = await ports.store.get_events(SESSION_ID)

    assert [event.type for event in events] == [
        "claude.entry",
        EventType.MESSAGE_SENT,
        EventType.MESSAGE_RECEIVED,
        EventType.MESSAGE_RECEIVED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_FAILED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_COMPLETED,
        EventType.TOOL_CALL_COMPLETED,
        EventType.MESSAGE_RECEIVED,
        "claude.entry",
        "claude.entry",
    ]
    assert all(shape_warnings(event) == () for event in events)
    named = [event.data["tool_name"] for event in events if "tool_name" in event.data]
    assert named == ["Read", "Read", "Ls", "Pwd", "Ls", "Pwd"]
    assert sum("original" in event.data for event in events) == len(conversation())


async def test_each_answers_tokens_count_once(ports: Ports) -> None:
    """
    An answer in several entries, batches and retries has one run, with its last counts.
    """
    store, entries = AsmSessionStore(ports), conversation()
    for entry in entries:
        await store.append(KEY, [entry])
    await store.append(KEY, entries)

    summary = await ports.query.get_usage_summary(tenant_id="-srv-shop")

    assert summary.run_count == 3
    assert summary.total_input_tokens == 30
    assert summary.total_output_tokens == 9 + 5 + 5
    assert set(summary.by_model) == {"claude-opus-4-1"}
    assert set(summary.by_provider) == {"anthropic"}
    runs = await ports.store.list_runs(SESSION_ID)
    events = await ports.store.get_events(SESSION_ID, run_id=runs[0].id)
    assert {event.data["message_id"] for event in events} <= {"msg_1", "msg_2", "msg_3"}


async def test_cached_tokens_are_parts_of_the_input(ports: Ports) -> None:
    """
    Tokens read from a cache and written to one are told apart, and count as read.
    """
    store = AsmSessionStore(ports)
    usage = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}

    await store.append(KEY, [answered("u", "m", text("hi"), **usage)])

    (run,) = await ports.store.list_runs(SESSION_ID)
    assert (run.input_tokens, run.output_tokens, run.total_tokens) == (130, 5, 135)
    assert (run.cache_read_tokens, run.cache_write_tokens) == (100, 20)


async def test_what_cost_nothing_has_no_run(ports: Ports) -> None:
    """
    What the SDK says itself, and what a fork has copied, add nothing to any sum.
    """
    store = AsmSessionStore(ports)
    told = answered("u1", "m1", text("API Error"), input_tokens=0, output_tokens=0)
    forked = answered("u2", "m2", text("hi"))
    forked["forkedFrom"] = {"sessionId": "s", "messageUuid": "u"}

    await store.append(KEY, [told, forked])

    assert await ports.store.list_runs(SESSION_ID) == []
    assert len((await read_transcript(ports.store, SESSION_ID)).messages) == 2


async def test_a_call_and_its_result_in_one_batch_know_each_other(ports: Ports) -> None:
    """
    A result names the tool of its call, also where no earlier batch has that.
    """
    store = AsmSessionStore(ports)

    await store.append(
        KEY, [answered("a", "m", call("t", "Ls")), result("b", "t", "x")]
    )
    await store.append(KEY, [result("c", "never-called", "y")])

    events = await ports.store.get_events(SESSION_ID)
    assert [event.data["tool_name"] for event in events] == ["Ls", "Ls", "unknown"]


async def test_the_title_is_the_last_one_given(ports: Ports) -> None:
    """
    A title that a person gave stays before one that a model made, and before none.
    """
    store = AsmSessionStore(ports)

    async def title_after(entry: Any) -> Any:
        await store.append(KEY, [entry])
        return (await ports.store.get_session(SESSION_ID)).metadata.get("title")

    made, given = {"type": "ai-title"}, {"type": "custom-title"}
    assert await title_after(said("u", "x")) is None
    assert await title_after({**made, "aiTitle": "made"}) == "made"
    assert await title_after({**given, "customTitle": "given"}) == "given"
    assert await title_after({**made, "aiTitle": "made again"}) == "given"
    await ports.store.update_session(SESSION_ID, lambda s: s.with_metadata(title="own"))
    assert await title_after(said("v", "y")) == "own"


async def test_what_the_application_saves_of_a_session_stays(ports: Ports) -> None:
    """
    Tags, users and metadata of the application outlive batches that come later.
    """
    store = AsmSessionStore(ports)
    await store.append(KEY, [said("u", "x")])
    await ports.store.update_session(
        SESSION_ID, lambda s: s.with_tags(["pinned"]).with_metadata(mine=1)
    )

    await store.append(KEY, [said("v", "y")])

    session = await ports.store.get_session(SESSION_ID)
    assert (session.tags, session.metadata["mine"]) == (("pinned",), 1)


async def test_lists_and_searches_find_the_sessions(ports: Ports) -> None:
    """
    Sessions are found by agent and tenant, and their events by type, in any project.
    """
    store = AsmSessionStore(ports)
    await store.append(KEY, conversation())

    page = await ports.query.search_sessions(
        agent_id=AGENT_ID, tenant_id="-srv-shop", order_by="last_activity_desc"
    )
    calls = await ports.query.search_events(
        tenant_id="-srv-shop", types=EventType.TOOL_CALL_STARTED
    )

    assert [session.id for session in page] == [SESSION_ID]
    assert [event.data["tool_name"] for event in calls] == ["Read", "Ls", "Pwd"]


async def test_events_of_others_are_not_loaded(ports: Ports) -> None:
    """
    What the application appends to the session itself is no entry of the transcript.
    """
    store = AsmSessionStore(ports)
    await store.append(KEY, [said("u", "x")])
    (event,) = await ports.store.get_events(SESSION_ID)
    other = type(event).new(
        type="myapp.note", session_id=SESSION_ID, data={"original": {"type": "note"}}
    )

    await ports.store.append_event(other)
    await store.append(KEY, [said("v", "y")])

    assert await store.load(KEY) == [said("u", "x"), said("v", "y")]


async def test_a_session_made_by_the_application_is_filled(ports: Ports) -> None:
    """
    A session that is there already, without entries, was never written, and keeps all.
    """
    store = AsmSessionStore(ports)
    session = Session.new(
        id=SESSION_ID, agent_id=AGENT_ID, tenant_id="-srv-shop", user_id="ada"
    )
    await ports.store.save_session(session.with_metadata(title="Mine"))

    assert await store.load(KEY) is None
    assert await store.list_sessions("-srv-shop") == []
    await store.append(KEY, [said("u", "x")])

    assert await store.load(KEY) == [said("u", "x")]
    assert len(await store.list_sessions("-srv-shop")) == 1
    stored = await ports.store.get_session(SESSION_ID)
    assert (stored.user_id, stored.metadata["title"]) == ("ada", "Mine")


async def test_an_entry_of_which_a_part_was_pruned_stays_known(ports: Ports) -> None:
    """
    Where retention has taken the first event of an entry, a retry does not fail.
    """
    store = AsmSessionStore(ports, timeout=5)
    answer = answered("u", "m", text("hi"), call("t", "Ls"))
    del answer["timestamp"]
    await store.append(KEY, [answer, said("v", "x")])
    policy = RetentionPolicy(max_events_per_session=2)
    assert (await ports.maintenance.execute(policy)).events_pruned == 1

    await store.append(KEY, [answer, said("w", "y")])

    assert await store.load(KEY) == [said("v", "x"), said("w", "y")]
