"""
The console's search for what was said, in headless Chromium.
"""

from __future__ import annotations

from playwright.sync_api import expect

from asm_async import Session
from asm_async.conventions import message_received, message_sent
from asm_async.portal import open_portal
from asm_async.ports.together import Ports
from tests.browser.axe import problems
from tests.browser.conftest import OpenPage
from tests.browser.console_server import ConsoleServer

HOSTILE = "<img src=x onerror=alert(1)> 🎉 zeppelin <b>"


async def fill(ports: Ports) -> None:
    """
    Store a conversation, and index everything.
    """
    session = Session.new(agent_id="pilot", metadata={"title": "An airship"})
    await ports.store.save_session(session)
    await ports.store.append_events(
        [
            message_sent(session_id=session.id, content="hm"),
            message_received(session_id=session.id, content=HOSTILE),
        ]
    )
    assert ports.text_search is not None
    await ports.text_search.update()


def test_what_was_said_is_found_and_opened(
    open_page: OpenPage, console: ConsoleServer
) -> None:
    """
    The search finds the session by its words, marks them, and leads to the place.
    """
    with open_portal(console.database_url) as portal:
        portal.call(lambda: fill(portal.opened))
    page = open_page(console)
    said = page.locator(".said")
    expect(page.locator("#list a").first).to_be_visible()
    expect(said).to_be_hidden()

    page.fill("#search", "zeppelin")

    expect(said).to_contain_text("1 found in conversations")
    expect(said.locator(".said-item")).to_contain_text(f"assistant: {HOSTILE}")
    expect(said.locator("mark")).to_have_text("zeppelin")
    expect(said.locator("img")).to_have_count(0)
    assert problems(page) == []
    said.locator(".said-item").click()
    expect(page.locator("h1")).to_have_text("An airship")
    assert "at=2" in page.url
    page.fill("#search", "")
    expect(said).to_be_hidden()


def test_without_an_index_there_is_nothing_beside_the_list(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    The list of sessions is searched as before, and no error is shown.
    """
    page = open_page(showcase)
    page.fill("#search", "trip")

    expect(page.locator(".sidebar [role=status]")).to_contain_text("found")
    expect(page.locator(".said")).to_be_hidden()
