from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from asm_async import Event, EventType, conventions, errors
from asm_async.conventions import LAYOUTS, EventFamily, Member, Role, shape_warnings

BUILDERS: Mapping[EventType, Callable[..., Event]] = MappingProxyType(
    {member: getattr(conventions, member.value) for member in EventType}
)
TYPES = pytest.mark.parametrize("event_type", EventType)

# A right and a wrong value for each kind of member, by the words it is called.
EXAMPLES: Mapping[str, tuple[Any, Any]] = MappingProxyType(
    {
        "text": ("words", 1),
        "count": (3, -1),
        "number >= 0": (0.5, "1"),
        "object": ({"a": 1}, [1]),
        "anything": (None, None),
        "text or list of parts": ([{"type": "text", "text": "hello"}], ["hello"]),
        "text, list of parts or null": ("hello", {"text": "hello"}),
        "object or text": ({"city": "Oslo"}, 7),
        "object of objects": ({"openai": {"refusal": None}}, {"openai": "x"}),
        "system, developer, user or assistant": ("user", "tool"),
    }
)


def example_of(member: Member) -> Any:
    """
    Return a right value for a member.
    """
    return EXAMPLES[member.kind.words][0]


@TYPES
def test_each_type_has_a_builder_of_its_layout(event_type: EventType) -> None:
    """
    A type's builder takes the members of its layout, the required ones without default.
    """
    parameters = inspect.signature(BUILDERS[event_type]).parameters
    takes = {
        name: parameter.default is parameter.empty
        for name, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "session_id"
    }

    assert takes == {each.name: each.is_required for each in LAYOUTS[event_type]}


@TYPES
def test_a_builder_lays_out_what_it_is_given(event_type: EventType) -> None:
    """
    What a builder is given stands in data under the same names, without warnings.
    """
    given = {member.name: example_of(member) for member in LAYOUTS[event_type]}

    event = BUILDERS[event_type](session_id="ses_1", **given)

    assert event.type is event_type
    assert {name: event.data.get(name) for name in given} == given
    assert set(event.data) <= set(given)
    assert shape_warnings(event) == ()


@TYPES
def test_what_is_not_given_does_not_stand_in_data(event_type: EventType) -> None:
    """
    The required members alone make an event that nothing is to be said against.
    """
    given = {
        member.name: example_of(member)
        for member in LAYOUTS[event_type]
        if member.is_required
    }

    event = BUILDERS[event_type](session_id="ses_1", **given)

    assert set(event.data) - {"role"} == set(given)
    assert shape_warnings(event) == ()


@TYPES
def test_wrong_members_are_refused_by_builders_and_told_by_warnings(
    event_type: EventType,
) -> None:
    """
    Each wrong member raises an error with its name; the same words warn of an event.
    """
    right = {member.name: example_of(member) for member in LAYOUTS[event_type]}
    for member in LAYOUTS[event_type]:
        if member.kind.words == "anything":
            continue
        given = {**right, member.name: EXAMPLES[member.kind.words][1]}
        event = Event.new(type=event_type, session_id="ses_1", data=given)

        with pytest.raises(errors.ValidationError, match=rf"^{member.name}\b") as error:
            BUILDERS[event_type](session_id="ses_1", **given)

        (warning,) = shape_warnings(event)
        said = str(error.value).removeprefix(member.name)
        assert warning == f"data[{member.name!r}]{said}"


@TYPES
def test_missing_members_are_told(event_type: EventType) -> None:
    """
    An event without data has a warning for each required member, and is not refused.
    """
    event = Event.new(type=event_type, session_id="ses_1")

    assert shape_warnings(event) == tuple(
        f"data[{member.name!r}]: this required member is missing"
        for member in LAYOUTS[event_type]
        if member.is_required
    )


def test_what_every_event_has_passes_through() -> None:
    """
    Builders take what Event.new takes beside the type, and members of one's own.
    """
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    event = conventions.message_sent(
        session_id="ses_1",
        content="hello",
        id="evt_1",
        timestamp=moment,
        run_id="run_1",
        correlation_id="trace_1",
        provider="example",
        metadata={"channel": "web"},
        schema_version=2,
        data={"myapp.mood": "good"},
    )

    assert event == Event(
        id="evt_1",
        type=EventType.MESSAGE_SENT,
        timestamp=moment,
        session_id="ses_1",
        run_id="run_1",
        data={"content": "hello", "role": "user", "myapp.mood": "good"},
        metadata={"channel": "web"},
        schema_version=2,
        provider="example",
        correlation_id="trace_1",
    )


def test_a_misspelt_option_is_a_type_error() -> None:
    """
    There is no other option than those of events.
    """
    options: dict[str, Any] = {"corelation_id": "trace_1"}

    with pytest.raises(TypeError, match="corelation_id"):
        conventions.session_started(session_id="ses_1", **options)


def test_own_members_do_not_stand_in_for_arguments() -> None:
    """
    A member of the layout is given as an argument, not within data.
    """
    with pytest.raises(errors.ValidationError, match=r"^data\['role'\]: pass it as"):
        conventions.message_sent(session_id="s", content="x", data={"role": "user"})
    options: dict[str, Any] = {"data": 1}
    with pytest.raises(errors.ValidationError, match=r"^data: expected a JSON object"):
        conventions.session_started(session_id="s", **options)


def test_a_call_without_text_and_a_result_without_value_say_null() -> None:
    """
    Where null means something it is kept.
    """
    received = conventions.message_received(session_id="s", content=None)
    completed = conventions.tool_call_completed(
        session_id="s", tool_call_id="c", tool_name="t", tool_output=None
    )

    assert received.data["content"] is None
    assert completed.data["tool_output"] is None


def test_types_of_an_application_have_no_layout() -> None:
    """
    Nothing is said against the data of a dotted type; what is no event is refused.
    """
    wrong: Any = {"type": "message_sent"}

    event = Event.new(type="myapp.note", session_id="ses_1", data={"content": 1})

    assert shape_warnings(event) == ()
    with pytest.raises(errors.ValidationError, match="event: expected an Event"):
        shape_warnings(wrong)


def test_each_type_belongs_to_a_family() -> None:
    """
    The families are sessions, runs, messages, tools, approvals and the rest.
    """
    sizes = {
        family: sum(member.family is family for member in EventType)
        for family in EventFamily
    }

    assert sizes == {
        EventFamily.SESSION: 7,
        EventFamily.RUN: 6,
        EventFamily.MESSAGE: 3,
        EventFamily.TOOL: 3,
        EventFamily.APPROVAL: 3,
        EventFamily.ERROR: 2,
        EventFamily.USAGE: 1,
        EventFamily.WORKSPACE: 2,
        EventFamily.POLICY: 1,
    }
    assert EventType.TURN_COMPLETED.family is EventFamily.RUN
    assert EventType.TOOL_APPROVAL_DENIED.family is EventFamily.APPROVAL


def test_tools_do_not_speak() -> None:
    """
    A tool's result is an event of its own, no message with the role of a tool.
    """
    with pytest.raises(
        errors.ValidationError, match=r"^role: .*'tool'.* is not one of"
    ):
        conventions.message_sent(session_id="s", content="x", role=Role.TOOL)
