"""
What the console changes, where it may: names, tags, and whether a session is deleted.
"""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.console_server import ConsoleServer
from tests.browser.showcase import RICH


def test_a_read_only_console_offers_no_change(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    Unless it is told otherwise the console has nothing to change a session with.
    """
    page = open_page(showcase, f"/?session={RICH}")
    expect(page.locator("#summary-export")).to_be_visible()
    expect(page.locator("#summary-edit")).to_have_count(0)
    expect(page.locator("#database")).to_contain_text("read-only")


def test_a_session_is_renamed_and_tagged(
    open_page: OpenPage, console: ConsoleServer
) -> None:
    """
    A new title and new tags are seen in the head and in the list at once.
    """
    page = open_page(console, f"/?session={RICH}")
    page.locator("#summary-edit").click()
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("dialog").get_by_label("Title").fill("Lisbon, booked")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lisbon, booked")
    expect(page.locator("#list")).to_contain_text("Lisbon, booked")
    page.locator("#summary-edit").click()
    page.get_by_role("button", name="Tags").click()
    page.get_by_label("Tags, with commas").fill("vip, done")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator(".session-head .tag")).to_have_text(["vip", "done"])


def test_a_session_is_deleted_and_restored_after_a_question(
    open_page: OpenPage, console: ConsoleServer
) -> None:
    """
    Nothing is deleted before it is confirmed; what was deleted can be restored.
    """
    page = open_page(console, f"/?session={RICH}")
    listed = page.locator(f'#list li[data-id="{RICH}"]')
    expect(listed).to_have_count(1)
    page.locator("#summary-edit").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator(".session-head")).not_to_contain_text("Deleted")
    page.locator("#summary-edit").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".session-head")).to_contain_text("Deleted")
    expect(listed).to_have_count(0)

    page.locator("#summary-edit").click()
    page.get_by_role("button", name="Restore").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(page.locator(".session-head")).not_to_contain_text("Deleted")
    expect(listed).to_have_count(1)
