"""
The console's charts.
"""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.console_server import ConsoleServer


def test_charts_are_drawings_with_a_name_and_a_table(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    Cost by day, cost and latency by model are named images, and tables as well.
    """
    page = open_page(showcase, "/?view=usage&span=90")
    for name in (
        "Cost by day and model",
        "Cost by model",
        "Duration of runs by model",
    ):
        expect(page.get_by_role("img", name=name)).to_be_visible()
    chart = page.locator(".chart").nth(1)
    chart.get_by_text("As a table").click()
    for model in ("large-2", "small-2", "swift-1"):
        expect(chart.get_by_role("rowheader", name=model)).to_be_visible()


def test_what_is_charted_is_chosen_and_kept(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    Group, measure and dates are chosen, stand in the address, and survive a reload.
    """
    page = open_page(showcase, "/?view=usage")
    page.locator("#usage-by").select_option("user")
    page.locator("#usage-metric").select_option("tokens")
    expect(page.get_by_role("img", name="Tokens by day and user")).to_be_visible()
    page.reload()
    expect(page.get_by_role("img", name="Tokens by day and user")).to_be_visible()
    page.locator("#usage-span").select_option("custom")
    page.locator("#usage-from").fill("2001-01-01")
    page.locator("#usage-to").fill("2001-01-31")
    expect(page.locator("main")).to_contain_text("No run began in this time.")
