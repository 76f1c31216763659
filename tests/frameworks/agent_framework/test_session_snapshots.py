"""
Snapshots of the framework's sessions, as its session stores keep them.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agent_framework
import pytest
from agent_framework import AgentSession, Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async import Ports, errors
from asm_async.integrations import agent_framework as ours
from asm_async.portal import Portal
from tests.frameworks.agent_framework.framework_values import (
    messages,
    plain,
    texts,
)

if TYPE_CHECKING:
    from asm_async.integrations.agent_framework import AsmSessionStore

# The framework warns of what is experimental in it.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore:.*SESSION_STORE"
)

IDS = ["a", "b/\0", "c" * 128, "CON"]

sessions = st.tuples(
    st.sampled_from(["s", "t"]),
    st.none() | st.just("conv_1") | st.just({"response_id": "r"}),
    st.dictionaries(texts, plain | st.lists(messages, max_size=2), max_size=3),
)
steps = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(IDS), sessions),
    st.tuples(st.sampled_from(["get", "delete"]), st.sampled_from(IDS), st.none()),
)

QUIET = """
import warnings

warnings.simplefilter("error")
from asm_async.integrations import agent_framework

agent_framework.AsmHistoryProvider
try:
    agent_framework.AsmSessionStore
except Warning as warning:
    print(type(warning).__name__)
try:
    agent_framework.AsmOther
except AttributeError as error:
    print(error)
"""

MISSING = """
import sys

sys.modules["agent_framework"] = None
from asm_async.errors import MissingDependencyError

try:
    import asm_async.integrations.agent_framework
except MissingDependencyError as error:
    print(error, isinstance(error, ImportError))
"""


def store_over(ports: Ports, **options: Any) -> AsmSessionStore:
    """
    Make a store of ours.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ours.AsmSessionStore(ports, **options)


def session_of(session_id: str, service_session_id: Any, state: Any) -> AgentSession:
    """
    Make a session of the framework.
    """
    session = AgentSession(session_id=session_id, service_session_id=service_session_id)
    session.state.update(state)
    return session


def written(session: AgentSession | None) -> Any:
    """
    Return a session in the form in which it can be compared.
    """
    return session and session.to_dict()


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(steps, max_size=8))
def test_a_store_is_as_theirs_in_files(
    portal: Portal, tmp_path: Path, script: list[Any]
) -> None:
    """
    Whatever is set, replaced and deleted, both return equal sessions.
    """

    async def perform() -> None:
        name = uuid.uuid4().hex
        theirs = agent_framework.FileSessionStore(tmp_path / name)
        store = store_over(portal.ports, namespace=name)
        for verb, session_id, given_session in script:
            if verb == "set":
                session = session_of(*given_session)
                try:
                    await theirs.set(session_id, session)
                except UnicodeError:
                    # Theirs has no place for lone surrogates.
                    continue
                await store.set(session_id, session)
            elif verb == "delete":
                await theirs.delete(session_id)
                await store.delete(session_id)
            for each in IDS:
                expected = written(await theirs.get(each))
                assert written(await store.get(each)) == expected

    asyncio.run(perform())


async def test_messages_in_a_state_come_back_as_messages(ports: Ports) -> None:
    """
    What is of a registered type is restored to it.
    """
    store = store_over(ports)
    await store.set("s", session_of("s", None, {"said": [Message("user", ["hi"])]}))

    found = await store.get("s")

    assert found is not None
    assert found.state["said"][0].text == "hi"


async def test_what_is_no_json_is_refused(ports: Ports) -> None:
    """
    The error names it, and what was stored stays.
    """
    store = store_over(ports)
    await store.set("s", session_of("s", None, {"n": 1}))
    for value in (float("nan"), object()):
        wrong = session_of("s", None, {"nested": [{"value": value}]})
        with (
            warnings.catch_warnings(action="ignore", category=RuntimeWarning),
            pytest.raises(errors.ValidationError, match="nested"),
        ):
            await store.set("s", wrong)

    found = await store.get("s")
    assert found is not None
    assert found.state == {"n": 1}


async def test_wrong_arguments_are_refused(ports: Ports) -> None:
    """
    Ids are texts that are not empty, and sessions are of the framework's own class.
    """

    class OwnSession(AgentSession):
        pass

    store = store_over(ports)
    wrong: Any = 5
    for session_id in ("", wrong):
        with pytest.raises(ValueError, match="session_id"):
            await store.get(session_id)
        with pytest.raises(ValueError, match="session_id"):
            await store.set(session_id, AgentSession())
        with pytest.raises(ValueError, match="session_id"):
            await store.delete(session_id)
    with pytest.raises(TypeError, match="OwnSession"):
        await store.set("s", OwnSession())
    with pytest.raises(errors.ValidationError, match="namespace"):
        store_over(ports, namespace="")


async def test_the_last_of_many_writers_stays(ports: Ports) -> None:
    """
    A reader has one of the sessions that were set, whole.
    """
    store = store_over(ports)
    states = [{"n": number, "text": str(number) * 1_000} for number in range(8)]

    await asyncio.gather(
        *[store.set("s", session_of("s", None, state)) for state in states]
    )

    found = await store.get("s")
    assert found is not None
    assert found.state in states


def run_python(program: str) -> str:
    """
    Run a program in a process of its own, and return what it prints.
    """
    done = subprocess.run(  # noqa: S603 - this Python, on what stands above
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_only_who_uses_it_hears_that_it_is_experimental() -> None:
    """
    The framework's warning comes with the session store, not with the rest.
    """
    assert run_python(QUIET).splitlines() == [
        "ExperimentalWarning",
        "module 'asm_async.integrations.agent_framework' has no attribute 'AsmOther'",
    ]


def test_a_missing_framework_is_named_with_its_extra() -> None:
    """
    Without the framework, importing the integration says what to install.
    """
    printed = run_python(MISSING)

    assert "'.[agent-framework]'" in printed
    assert printed.endswith("True")
