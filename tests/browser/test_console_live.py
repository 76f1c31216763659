"""
The console while sessions go on, and while its server is gone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from asm_async import conventions
from asm_async.portal import Portal, open_portal
from tests.browser.conftest import REFUSED, OpenPage, Watch
from tests.browser.console_server import ConsoleServer
from tests.browser.showcase import RICH
from tests.browser.test_console_session import entry


@pytest.fixture
def portal(console: ConsoleServer) -> Iterator[Portal]:
    """
    Write to the console's database as another process does.
    """
    with open_portal(console.database_url) as portal:
        yield portal


def say(portal: Portal, *texts: str) -> None:
    """
    Append what the agent says to the rich session.
    """
    events = [
        conventions.message_received(session_id=RICH, content=text) for text in texts
    ]
    portal.call(lambda: portal.opened.store.append_events(events))


def test_what_comes_is_shown_and_said(
    open_page: OpenPage, console: ConsoleServer, portal: Portal
) -> None:
    """
    At the end of a transcript new entries appear by themselves and are announced.
    """
    page = open_page(console, f"/?session={RICH}")
    expect(page.locator(entry(28))).to_be_in_viewport()
    say(portal, "The seats are chosen.")

    expect(page.locator(entry(29))).to_be_in_viewport()
    expect(page.locator("#announcer")).to_have_text("Assistant: The seats are chosen.")
    expect(page.locator("#tab-transcript")).to_contain_text("29")


def test_what_comes_moves_nobody_who_reads(
    open_page: OpenPage, console: ConsoleServer, portal: Portal
) -> None:
    """
    Who has scrolled up stays there, keeps the focus, and is offered the latest.
    """
    page = open_page(
        console, f"/?session={RICH}&at=3", viewport={"width": 1_280, "height": 620}
    )
    row = page.locator(entry(4))
    row.focus()
    before = row.bounding_box()
    say(portal, *(f"Number {number}" for number in range(40)))
    expect(page.locator("#tab-transcript")).to_contain_text("68")

    expect(row).to_be_focused()
    after = row.bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 2
    page.get_by_role("button", name="40 new events").click()
    expect(page.locator(entry(68))).to_be_in_viewport()


def test_a_result_joins_its_call_where_the_focus_is(
    open_page: OpenPage, console: ConsoleServer, portal: Portal
) -> None:
    """
    A call without a result says so, until the result comes; the focus stays on it.
    """
    page = open_page(console, f"/?session={RICH}&at=27")
    call = page.locator(entry(27))
    expect(call).to_contain_text("No result yet")
    call.locator("summary").first.focus()
    # The call's own run is the latest one.
    runs = portal.call(lambda: portal.opened.store.list_runs(RICH))
    event = conventions.tool_call_completed(
        session_id=RICH,
        run_id=max(runs, key=lambda run: run.started_at).id,
        tool_call_id="call_5",
        tool_name="choose_seats",
        tool_output=["12A", "12B"],
    )
    portal.call(lambda: portal.opened.store.append_event(event))

    expect(call).to_contain_text("Done")
    expect(call.locator("summary").first).to_be_focused()


def test_a_server_that_is_gone_is_said_until_it_is_back(
    open_page: OpenPage, console: ConsoleServer, portal: Portal, watch: Watch
) -> None:
    """
    The outage is told for as long as it lasts; then all goes on by itself.
    """
    page = open_page(console, f"/?session={RICH}")
    expect(page.locator(entry(28))).to_be_in_viewport()
    expect(page.locator("#list a").first).to_be_visible()
    console.stop()
    alert = page.locator("#outage[role=alert]")
    expect(alert).to_contain_text("The server is not reachable")
    expect(page.locator("#connection")).to_have_text("Not reachable")
    page.get_by_role("tab", name="Related").click()
    expect(page.locator(".tree-pane")).to_contain_text("Not loaded")
    page.wait_for_timeout(2_500)
    expect(alert).to_be_visible()

    say(portal, "Said while nobody could see it.")
    console.start()
    expect(alert).to_be_hidden()
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.get_by_role("treeitem").first).to_be_visible()
    page.get_by_role("tab", name="Transcript").click()
    expect(page.locator(entry(29))).to_be_in_viewport()
    assert all(any(each in said for each in REFUSED) for said in watch.complaints)
    watch.complaints.clear()
