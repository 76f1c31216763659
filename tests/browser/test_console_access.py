"""
The console for everybody: axe, the keyboard, small screens, themes.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.axe import problems
from tests.browser.conftest import DESK, OpenPage
from tests.browser.console_server import ConsoleServer
from tests.browser.showcase import RICH

PHONE = {"width": 390, "height": 844}
VIEWS = {
    "list": "/",
    "transcript": f"/?session={RICH}&at=4",
    "end": f"/?session={RICH}",
    "raw": f"/?session={RICH}&at=18&raw=1",
    "runs": f"/?session={RICH}&tab=runs",
    "tree": f"/?session={RICH}&tab=tree",
    "details": f"/?session={RICH}&tab=details",
    "usage": "/?view=usage&span=90",
    "missing": "/?session=ses_empty",
}
READY = {
    "list": "#list a",
    "runs": ".runs > li",
    "tree": ".tree a",
    "details": ".details-pane h2",
    "usage": ".chart svg",
    "missing": ".edge",
    "raw": "dialog .json",
}
LOOKS = {
    "desk-light": ("light", DESK),
    "desk-dark": ("dark", DESK),
    "phone-light": ("light", PHONE),
    "phone-dark": ("dark", PHONE),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(
    open_page: OpenPage, showcase: ConsoleServer, view: str, look: str
) -> None:
    """
    No view has a serious defect, light or dark, on a desk or a phone.
    """
    scheme, viewport = LOOKS[look]
    page = open_page(showcase, VIEWS[view], color_scheme=scheme, viewport=viewport)
    expect(page.locator(READY.get(view, ".entry")).first).to_be_visible()

    assert problems(page) == []


@pytest.mark.parametrize("open_it", ["#help", ".search-line button", "#summary-export"])
def test_axe_finds_nothing_serious_in_what_opens(
    open_page: OpenPage, showcase: ConsoleServer, open_it: str
) -> None:
    """
    Neither the help nor the filters nor a menu has a serious defect.
    """
    page = open_page(showcase, f"/?session={RICH}")
    page.locator(open_it).click()

    assert problems(page) == []


@pytest.mark.parametrize("width", [320, 390, 640, 900, 1_280])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_the_screen(
    open_page: OpenPage, showcase: ConsoleServer, width: int, view: str
) -> None:
    """
    No view scrolls sideways, from 320 pixels up, which is 1,280 at a zoom of 400 %.
    """
    viewport = {"width": width, "height": 800}
    page = open_page(showcase, VIEWS[view], viewport=viewport)
    expect(page.locator(READY.get(view, ".entry")).first).to_be_visible()
    sideways = """
        [...document.querySelectorAll("html, body, .session, .usage, .scroller, #list,"
          + " .tab-view, .panel-body, .sidebar, .sidebar-head, .session-head")]
          .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth)
          .map((each) => `${each.className || each.tagName} ${each.scrollWidth}`)
    """

    assert page.evaluate(sideways) == []


def test_the_keyboard_alone_suffices(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    From the skip link to a raw event, a tab, the charts and the help: no mouse.
    """
    page = open_page(showcase)
    expect(page.locator("#list a").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("lisbon may")
    expect(page.locator(".sidebar")).to_contain_text("1 found")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Two tickets to Lisbon in May"
    )
    page.get_by_role("tab", name="Transcript").focus()
    page.keyboard.press("k")
    page.keyboard.press("Home")
    expect(page.locator('.entry[data-sequence="1"]')).to_be_focused()
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("o")
    focused = page.locator(".entry:focus")
    expect(focused.locator("details").first).not_to_have_attribute("open", "")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Event 4")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator('.entry[data-sequence="4"]')).to_be_focused()
    page.get_by_role("tab", name="Transcript").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Runs")).to_be_focused()
    expect(page.locator(".runs > li").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", level=1)).to_have_text("Usage")
    page.keyboard.press("g")
    expect(page.locator("#list a:focus")).to_have_count(1)


def test_a_phone_shows_one_thing_at_a_time(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    A session covers the list, its title has the focus, and Back shows the list again.
    """
    page = open_page(showcase, viewport=PHONE, has_touch=True)
    page.locator("#list a").first.tap()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_be_focused()
    expect(page.locator("#list")).to_be_hidden()
    page.get_by_role("button", name="Back to the list").tap()
    expect(page.locator("#list a:focus")).to_have_count(1)
    # No row is cut: the list ends where the screen does.
    box = page.locator("#list").bounding_box()
    assert box
    assert box["y"] + box["height"] <= PHONE["height"]


def test_a_theme_is_chosen_and_remembered(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    Dark follows the system, until somebody chooses; the choice outlives a reload.
    """
    page = open_page(showcase, color_scheme="dark")
    paper = "getComputedStyle(document.body.parentElement).backgroundColor"
    dark: Any = page.evaluate(paper)
    page.get_by_role("button", name="Theme: system").click()
    light: Any = page.evaluate(paper)
    assert light != dark
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.evaluate(paper) == light
    page.get_by_role("button", name="Theme: light").click()
    page.get_by_role("button", name="Theme: dark").click()
    expect(page.get_by_role("button", name="Theme: system")).to_be_visible()
    assert page.evaluate(paper) == dark


def test_nothing_moves_for_who_wants_no_motion(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    With reduced motion nothing is animated.
    """
    page = open_page(showcase, f"/?session={RICH}", reduced_motion="reduce")
    expect(page.locator(".edge.in-progress")).to_be_visible()

    assert page.evaluate("document.getAnimations().length") == 0


def test_landmarks_and_regions_are_named(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    Views, sessions, events and the connection are found by their names.
    """
    page = open_page(showcase, f"/?session={RICH}")
    for found in (
        page.get_by_role("navigation", name="Views", exact=True),
        page.get_by_role("navigation", name="Sessions", exact=True),
        page.get_by_role("tablist", name="What to see of the session"),
        page.get_by_role("feed", name="Events"),
        page.get_by_role("search", name="Find in this session"),
    ):
        expect(found).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.locator("#connection")).to_have_attribute("role", "status")
    assert page.locator("html").get_attribute("lang") == "en"
