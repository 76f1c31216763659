"""
The page of the example application, in headless Chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import asm_async

ROOT = Path(__file__).parents[2]
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1_120, "height": 900}
QUESTION = "What about the weather?"
ANSWER = "It is 21 degrees and sunny."
NEVER_SECONDS = 30
# Where a picture of the page goes, for the README.
PICTURE_VARIABLE = "ASM_PICTURE"


def wait_until_served(url: str, process: subprocess.Popen[bytes]) -> None:
    """
    Ask until the server answers.
    """
    end = time.monotonic() + NEVER_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own server
                return
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture
def url(tmp_path: Path) -> Generator[str]:
    """
    Run the example application on a database of its own.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(  # noqa: S603 - a script of ours
        [
            *(sys.executable, ROOT / "examples" / "fastapi_app.py"),
            *("--port", str(port), "--url", f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(asm_async.__file__).parents[1])},
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_served(address, process)
        yield address
    finally:
        process.terminate()
        assert process.wait(NEVER_SECONDS) in {0, -15}


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """
    Start the Chromium that the machine has.
    """
    path = shutil.which("chromium")
    assert path, "there is no chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, url: str, request: pytest.FixtureRequest) -> Generator[Page]:
    """
    Open the page, and prove in the end that nothing went wrong on it.
    """
    options: dict[str, Any] = {"viewport": DESK, **getattr(request, "param", {})}
    context = browser.new_context(base_url=url, **options)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type == "error" else None,
    )
    page.goto("/")
    yield page
    context.close()
    assert complaints == []


def ask(page: Page, question: str) -> None:
    """
    Send a message by keyboard alone.
    """
    page.get_by_label("Message to the agent").focus()
    page.keyboard.type(question)
    page.keyboard.press("Enter")


def test_events_runs_and_tokens_appear_as_they_come(page: Page) -> None:
    """
    A message makes a session whose events stream in, and whose run shows its tokens.
    """
    expect(page.get_by_role("status")).to_have_text("Live")
    ask(page, QUESTION)

    events = page.get_by_role("log").get_by_role("listitem")
    expect(events.filter(has_text=ANSWER)).to_have_count(2)
    expect(events).to_have_count(6)
    numbers = [re.match(r"\d+", text) for text in events.all_inner_texts()]
    assert [int(found[0]) for found in numbers if found] == list(range(1, 7))
    sessions = page.get_by_role("navigation").get_by_role("listitem")
    expect(sessions).to_have_count(1)
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text("completed")
    expect(row.get_by_role("cell").nth(3)).to_have_text("4")
    if picture := os.environ.get(PICTURE_VARIABLE):
        ask(page, "And the next train?")
        expect(events).to_have_count(12)
        expect(page.get_by_role("row").nth(2)).to_contain_text("completed")
        page.screenshot(path=picture)


def test_another_pages_events_come_too(page: Page, browser: Browser, url: str) -> None:
    """
    What one page writes another shows, its list of sessions included.
    """
    with browser.new_context(base_url=url) as context:
        other = context.new_page()
        other.goto("/")
        expect(other.get_by_role("status")).to_have_text("Live")
        ask(page, "hello")
        other.get_by_role("button", name="hello").click()
        log = other.get_by_role("log").get_by_role("listitem")
        expect(log.filter(has_text="You said: hello")).to_have_count(1)


def test_sessions_are_chosen_by_keyboard(page: Page) -> None:
    """
    Tab reaches the sessions, Enter opens one, and it is said which one is open.
    """
    ask(page, "first")
    expect(page.get_by_role("row").nth(1)).to_contain_text("completed")
    page.get_by_role("button", name="New session").press("Enter")
    ask(page, "second")
    expect(page.get_by_role("row").nth(1)).to_contain_text("second")

    first = page.get_by_role("button", name="first")
    expect(first).to_have_attribute("aria-current", "false")
    first.press("Enter")
    expect(first).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("row").nth(1)).to_contain_text("first")


def test_what_is_said_is_never_taken_for_html(page: Page) -> None:
    """
    Markup in a message is shown as text.
    """
    ask(page, "<img src=x onerror=alert(1)>")

    log = page.get_by_role("log")
    expect(log).to_contain_text("You said: <img src=x onerror=alert(1)>")
    assert page.locator("main img, nav img").count() == 0


@pytest.mark.parametrize(
    "page", [{"viewport": PHONE, "color_scheme": "dark"}], indirect=True
)
def test_the_page_fits_a_phone_in_the_dark(page: Page) -> None:
    """
    On a phone nothing is wider than the screen, and dark is dark.
    """
    ask(page, QUESTION)
    expect(page.get_by_role("log")).to_contain_text(ANSWER)

    width = page.evaluate("document.documentElement.scrollWidth")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert width <= PHONE["width"]
    assert colour == "rgb(20, 23, 28)"


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
