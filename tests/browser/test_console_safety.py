"""
What the console's page must never do: take what was stored for its own, or leave home.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

import asm_async
from tests.browser.conftest import OpenPage, Watch
from tests.browser.console_server import ConsoleServer
from tests.browser.showcase import HOSTILE, MARKUP

STATIC = Path(asm_async.__file__).parent / "console" / "static"
SOURCES = sorted(path for path in STATIC.rglob("*") if path.suffix in {".js", ".css"})


def name_of(path: Path) -> str:
    """
    Name a source as a test's id.
    """
    return path.relative_to(STATIC).as_posix()


@pytest.mark.parametrize("tab", ["transcript", "runs", "tree", "details"])
def test_stored_text_is_never_taken_for_html(
    open_page: OpenPage, showcase: ConsoleServer, tab: str
) -> None:
    """
    Titles, ids, texts, tools' names, keys and errors of markup are shown as text.
    """
    page = open_page(showcase, f"/?session={quote(HOSTILE)}&tab={tab}&at=7")
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    expect(page.locator(f"#view-{tab}")).to_be_visible()
    fold = (
        "for (const fold of document.querySelectorAll('main details')) fold.open = true"
    )
    for _ in range(3):
        page.evaluate(fold)
        page.evaluate("new Promise(requestAnimationFrame)")

    assert page.locator("main img[src=x], #list img, main script").count() == 0
    assert MARKUP in page.title()
    assert page.evaluate("({}).polluted") is None


def test_an_image_elsewhere_is_not_loaded(
    open_page: OpenPage, showcase: ConsoleServer, watch: Watch
) -> None:
    """
    An image's address is text; nothing but the console's own server is ever asked.
    """
    page = open_page(showcase, f"/?session={quote(HOSTILE)}")
    expect(page.locator("main")).to_contain_text("https://example.invalid/x.png")
    page.get_by_role("link", name="Usage").click()
    expect(page.locator(".chart").first).to_be_visible()

    assert watch.requested == {showcase.url}


def test_the_raw_event_of_markup_is_text_with_all_its_members(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    Even a member that JavaScript has a meaning of its own for is one among others.
    """
    page = open_page(showcase, f"/?session={quote(HOSTILE)}&at=8&raw=1")
    panel = page.get_by_role("dialog", name="Event 8")
    expect(panel).to_contain_text("__proto__")
    expect(panel).to_contain_text('"polluted": true')


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_source_is_short_and_has_no_way_to_make_html(path: Path) -> None:
    """
    No script writes HTML or evaluates text, and no file is longer than 400 lines.
    """
    text = path.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 400
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|Function\("
    )
    assert not re.search(forbidden, text)
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)


def test_all_modules_are_loaded_at_once() -> None:
    """
    The page names each module, so that none waits for the one that imports it.
    """
    named = re.findall(
        r'(?:src|href)="static/([^"]+\.js)"', (STATIC / "index.html").read_text("utf-8")
    )

    modules = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")}
    assert set(named) == modules
    assert len(named) == len(modules)
