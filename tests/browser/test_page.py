"""
The page of the example application, in headless Chromium.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import problems
from tests.browser.conftest import REFUSED, Watch
from tests.browser.console_server import (
    NEVER_SECONDS,
    free_port,
    package_path,
    wait_until_served,
)

SCRIPT = Path(__file__).parents[2] / "examples" / "fastapi_app.py"
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1_120, "height": 900}
QUESTION = "What about the weather?"
ANSWER = "It is 21 degrees and sunny."
# Where a picture of the page goes, for the README.
PICTURE_VARIABLE = "ASM_PICTURE"


class Example:
    """
    The example application, on a database of its own.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._database = f"sqlite+aiosqlite:///{directory / 'a.db'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Serve, and return once it answers.
        """
        options = ["--port", str(self.port), "--url", self._database]
        self._process = subprocess.Popen(  # noqa: S603 - a script of ours
            [sys.executable, SCRIPT, *options], env=package_path()
        )
        wait_until_served(self.url, self._process)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """
        End it by a signal.
        """
        assert self._process is not None
        self._process.send_signal(by)
        assert self._process.wait(NEVER_SECONDS) in {0, -by}


@pytest.fixture
def example(tmp_path: Path) -> Generator[Example]:
    """
    Run the example application.
    """
    example = Example(tmp_path)
    example.start()
    yield example
    example.stop()


@pytest.fixture
def page(
    browser: Browser, example: Example, watch: Watch, request: pytest.FixtureRequest
) -> Generator[Page]:
    """
    Open the page, and prove in the end that nothing went wrong on it.
    """
    options: dict[str, Any] = {"viewport": DESK, **getattr(request, "param", {})}
    context = browser.new_context(base_url=example.url, **options)
    page = context.new_page()
    watch.attach(page)
    page.goto("/")
    yield page
    context.close()
    assert watch.complaints == []


def ask(page: Page, question: str) -> None:
    """
    Send a message by keyboard alone.
    """
    page.get_by_label("Message to the agent").focus()
    page.keyboard.type(question)
    page.keyboard.press("Enter")


def test_events_and_tokens_appear_as_they_come(page: Page) -> None:
    """
    A message makes a session whose events stream in, with roles, times and tokens.
    """
    expect(page.get_by_role("status")).to_have_text("Live")
    ask(page, QUESTION)

    events = page.get_by_role("log").get_by_role("listitem")
    expect(events.filter(has_text=ANSWER)).to_have_count(2)
    expect(events).to_have_count(6)
    numbers = [re.search(r"#(\d+)", text) for text in events.all_inner_texts()]
    assert [int(found[1]) for found in numbers if found] == list(range(1, 7))
    expect(page.get_by_role("navigation").get_by_role("listitem")).to_have_count(1)
    expect(events.nth(1)).to_contain_text("You")
    expect(events.nth(4)).to_contain_text("Agent")
    expect(events.nth(2)).to_contain_text('"topic": "weather"')
    expect(events.nth(5)).to_contain_text("4 tokens in")
    if picture := os.environ.get(PICTURE_VARIABLE):
        ask(page, "And the next train?")
        expect(events).to_have_count(12)
        page.screenshot(path=picture)


def test_another_pages_events_come_too(
    page: Page, browser: Browser, example: Example
) -> None:
    """
    What one page writes another shows, its list of sessions included.
    """
    with browser.new_context(base_url=example.url) as context:
        other = context.new_page()
        other.goto("/")
        expect(other.get_by_role("status")).to_have_text("Live")
        ask(page, "hello")
        other.get_by_role("button", name="hello").click()
        log = other.get_by_role("log").get_by_role("listitem")
        expect(log.filter(has_text="You said: hello")).to_have_count(1)


def test_sessions_are_chosen_by_keyboard_and_keep_the_focus(page: Page) -> None:
    """
    Enter opens a session; the focus stays on it while events come; Back goes back.
    """
    ask(page, "first")
    events = page.get_by_role("log").get_by_role("listitem")
    expect(events).to_have_count(4)
    page.get_by_role("button", name="New session").press("Enter")
    ask(page, "second")
    expect(events).to_have_count(4)
    first = page.get_by_role("button", name="first")
    expect(first).to_have_attribute("aria-current", "false")
    ask(page, "again")
    first.press("Enter")
    expect(first).to_have_attribute("aria-current", "true")
    page.wait_for_timeout(1_500)
    expect(first).to_be_focused()

    page.reload()
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="second")).to_be_visible()


def test_what_is_said_is_shown_as_it_is(page: Page) -> None:
    """
    Markup is text, lines stay lines, and lists of parts are shown by their texts.
    """
    ask(page, "<img src=x onerror=alert(1)>")
    log = page.get_by_role("log")
    expect(log).to_contain_text("You said: <img src=x onerror=alert(1)>")
    assert page.locator("main img, nav img").count() == 0
    session_id = re.search(r"session=(\w+)", page.url)
    assert session_id
    content = [{"type": "text", "text": "one\ntwo"}, {"type": "image_url"}]
    event = {
        "id": "evt_parts",
        "type": "message_sent",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {"content": content},
    }
    page.request.post(f"/asm/sessions/{session_id[1]}/events", data=event)
    text = log.locator(".text").filter(has_text="two")
    expect(text).to_have_count(1)
    assert text.inner_text() == "one\ntwo\n[image_url]"


def test_a_run_whose_server_was_killed_is_interrupted(
    page: Page, example: Example, watch: Watch
) -> None:
    """
    The outage is told for as long as it lasts; then the run says that it ended.
    """
    ask(page, QUESTION)
    log = page.get_by_role("log")
    expect(log).to_contain_text("Tool call")
    example.stop(signal.SIGKILL)
    outage = page.get_by_role("alert").filter(has_text="The server is not reachable")
    expect(outage).to_be_visible()
    ask(page, "lost?")
    unsent = page.get_by_role("alert").filter(has_text="Not sent")
    page.wait_for_timeout(2_000)
    expect(unsent).to_be_visible()
    expect(outage).to_be_visible()

    example.start()
    expect(log).to_contain_text("Run interrupted", timeout=30_000)
    expect(outage).to_be_hidden()
    assert all(any(each in said for each in REFUSED) for said in watch.complaints)
    watch.complaints.clear()


def test_a_session_is_deleted_and_the_console_is_near(page: Page) -> None:
    """
    Delete takes a session off the list; a link leads to all of them, with search.
    """
    ask(page, "hello")
    expect(page.get_by_role("log")).to_contain_text("You said: hello")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("navigation").get_by_role("listitem")).to_have_count(0)
    page.get_by_role("link", name="All sessions, search, cost").click()
    expect(page.get_by_role("searchbox", name="Search sessions")).to_be_visible()


@pytest.mark.parametrize(
    "page",
    [{"viewport": PHONE, "color_scheme": "dark"}, {"color_scheme": "light"}],
    indirect=True,
    ids=["phone", "desk"],
)
def test_the_page_fits_a_phone_and_everybody(page: Page) -> None:
    """
    Nothing is wider than the screen, and axe finds nothing serious.
    """
    ask(page, QUESTION)
    expect(page.get_by_role("log")).to_contain_text(ANSWER)

    width, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= inner
    assert problems(page) == []


def test_the_page_is_named_for_who_does_not_see_it(page: Page) -> None:
    """
    Everything that can be used has a name, and new events are read out.
    """
    expect(page.get_by_role("log")).to_have_attribute("aria-live", "polite")
    assert page.locator("html").get_attribute("lang") == "en"
    for role in ("navigation", "main", "status", "log"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("textbox", name="Message to the agent")).to_be_visible()
    expect(page.get_by_role("link", name="Skip to the message")).to_have_count(1)
