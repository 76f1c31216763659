"""
One session in the console: its transcript, its events, its runs and relatives.
"""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MANY_EVENTS, OpenPage, Watch
from tests.browser.console_server import ConsoleServer
from tests.browser.showcase import HUGE_NUMBER, RICH
from tests.console_seed import LONG_SESSION

JUMP_MILLISECONDS = 300
MOST_ENTRIES = 300


def entry(number: int) -> str:
    """
    Return what selects an event's row.
    """
    return f'.entry[data-sequence="{number}"]'


def test_a_transcript_says_who_says_what(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    Roles are named; lists of parts, lines and code are shown as they are.
    """
    page = open_page(showcase, f"/?session={RICH}&at=3")

    expect(page.locator(entry(2))).to_contain_text("System")
    user = page.locator(entry(3))
    expect(user).to_contain_text("We need two tickets to Lisbon in the second week.")
    expect(user).to_contain_text("passports.pdf")
    picture = user.locator("img")
    expect(picture).to_have_attribute("src", re.compile("^data:image/png"))
    answer = page.locator(entry(12))
    expect(answer.locator("pre code")).to_contain_text("print(best.number)")
    assert "\n" in answer.locator("pre code").inner_text()
    expect(answer).to_contain_text("Assistant")
    assert "[object" not in page.locator("main").inner_text()


def test_a_tool_call_unfolds(open_page: OpenPage, showcase: ConsoleServer) -> None:
    """
    A call shows its arguments and its result; one that failed is open, and retried.
    """
    page = open_page(showcase, f"/?session={RICH}&at=4")
    failed = page.locator(entry(4))
    expect(failed).to_contain_text("The airline's service did not answer")
    expect(failed).to_contain_text("timeout")

    retried = page.locator(entry(6))
    expect(retried).to_contain_text("Retry")
    expect(retried).to_contain_text("1.30 s")
    expect(retried.locator(".tool-inside")).to_be_empty()
    retried.locator("summary").first.click()
    expect(retried).to_contain_text("Arguments")
    expect(retried).to_contain_text('"flight": "TP 123"')
    expect(page.locator(entry(7))).to_have_count(0)


def test_errors_ends_and_retractions_are_told(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    Errors have their message, runs their end, tokens and cost; what is hidden says so.
    """
    page = open_page(showcase, f"/?session={RICH}&at=18")

    expect(page.locator(entry(18))).to_contain_text("429 Too Many Requests")
    expect(page.locator(entry(19))).to_contain_text("The second attempt went through.")
    expect(page.locator(entry(21))).to_contain_text("above the daily limit")
    expect(page.locator(entry(24))).to_contain_text("Retracted")
    expect(page.locator(entry(28))).to_contain_text("Retracted events 24 to 25")
    expect(page.locator(entry(13))).to_contain_text("1,240 in")
    expect(page.locator(entry(13))).to_contain_text("$0.012")
    expect(page.locator(".edge.in-progress")).to_have_text("A run is in progress")


def test_the_raw_event_is_exact_and_linked(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    The raw event stands beside its entry, with every digit, by keyboard and by link.
    """
    page = open_page(showcase, f"/?session={RICH}&at=17")
    page.locator(entry(17)).focus()
    page.keyboard.press("j")
    expect(page.locator(entry(18))).to_be_focused()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="Event 18")
    expect(panel).to_contain_text("error_occurred")
    expect(panel).to_contain_text(str(HUGE_NUMBER))
    page.reload()
    expect(page.get_by_role("dialog", name="Event 18")).to_be_visible()
    expect(page.locator(entry(18))).to_have_attribute("aria-current", "true")
    page.locator(entry(18)).focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(entry(18))).to_be_focused()


def jump(page: Page, number: int, key: str) -> float:
    """
    Go to an event, and return after how many milliseconds its row is seen.

    A result is seen in the row of its call.
    """
    script = """
        ([number, key]) => new Promise((done) => {
          const start = performance.now();
          const look = () => {
            const row = document.querySelector('.entry[aria-current="true"]');
            const behind = row ? number - row.dataset.sequence : -1;
            const isThere = behind >= 0 && behind < 24;
            if (isThere) requestAnimationFrame(() => done(performance.now() - start));
            else requestAnimationFrame(look);
          };
          const find = document.getElementById("find");
          find.value = String(number);
          find.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
          look();
        })
    """
    taken: float = page.evaluate(script, [number, key])
    return taken


@pytest.mark.timeout(400)
def test_a_session_of_100000_events_is_gone_through_at_once(
    open_page: OpenPage, crowd: ConsoleServer
) -> None:
    """
    The middle, the end and the beginning come within 300 ms, and few rows are kept.
    """
    page = open_page(crowd, f"/?session={LONG_SESSION}")
    expect(page.locator(".entry").last).to_be_visible()
    places = [50_000, 99_990, 25_000, 3, 75_001, 60_000, 10]
    taken = [jump(page, number, "Enter") for number in places]

    # The median: others are at work on this machine.
    assert sorted(taken)[len(taken) // 2] < JUMP_MILLISECONDS, taken
    for number in (50_000, 99_990, 10):
        jump(page, number, "Enter")
        current = page.locator('.entry[aria-current="true"]')
        expect(current).to_be_in_viewport()
        shown = int(current.get_attribute("data-sequence") or 0)
        assert 0 <= number - shown < 24
        assert page.locator(".entry").count() < MOST_ENTRIES


@pytest.mark.timeout(400)
def test_scrolling_reads_on_and_forgets(
    open_page: OpenPage, crowd: ConsoleServer
) -> None:
    """
    However far the wheel goes, rows follow one another, and those behind leave.
    """
    page = open_page(crowd, f"/?session={LONG_SESSION}&at=50000")
    expect(page.locator('.entry[aria-current="true"]')).to_be_visible()
    page.locator(".scroller").hover()
    for _ in range(25):
        page.mouse.wheel(0, 1_500)
        page.wait_for_timeout(20)
    expect(page.locator(".scroller")).to_have_attribute("aria-busy", "false")
    seen = "[...document.querySelectorAll('.entry')].map((e) => +e.dataset.sequence)"
    numbers: list[int] = page.evaluate(seen)

    assert numbers == sorted(set(numbers))
    assert numbers[0] > 50_000
    # A result is part of its call's row, so that two rows are two numbers apart.
    assert max(after - one for one, after in pairwise(numbers)) < 9
    assert len(numbers) < MOST_ENTRIES


@pytest.mark.timeout(400)
def test_the_rail_is_a_scrollbar_over_numbers(
    open_page: OpenPage, crowd: ConsoleServer
) -> None:
    """
    The rail is named, says its place, and goes to the ends by keys, elsewhere by mouse.
    """
    page = open_page(crowd, f"/?session={LONG_SESSION}")
    rail = page.get_by_role("scrollbar", name="Place in the session")
    expect(rail).to_have_attribute("aria-valuemax", str(MANY_EVENTS))
    rail.focus()
    page.keyboard.press("Home")
    expect(page.locator(entry(1))).to_be_in_viewport()
    expect(rail).to_have_attribute("aria-valuenow", "1")
    box = rail.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(rail).to_have_attribute("aria-valuetext", re.compile(r"^Events (49|50),"))
    rail.focus()
    page.keyboard.press("End")
    expect(page.locator(entry(MANY_EVENTS))).to_be_in_viewport()


def test_texts_numbers_and_errors_are_found(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    The finder goes to a number, through a text's places, and through the errors.
    """
    page = open_page(showcase, f"/?session={RICH}")
    find = page.get_by_label("Find a text in this session")
    find.fill("lisbon")
    find.press("Enter")
    expect(page.locator(".finder")).to_contain_text("1 of")
    expect(page.locator(f'{entry(3)}[aria-current="true"]')).to_be_visible()
    find.fill("#21")
    find.press("Enter")
    expect(page.locator(f'{entry(21)}[aria-current="true"]')).to_be_visible()
    expect(page.get_by_role("button", name="errors")).to_contain_text("4 errors")
    page.get_by_role("button", name="errors").click()
    expect(page.locator('.entry[aria-current="true"]')).to_contain_text(
        "did not answer"
    )


def test_runs_have_their_state_model_tokens_and_cost(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    A run is one line, however long its input is, and unfolds to what it was.
    """
    page = open_page(showcase, f"/?session={RICH}&tab=runs")
    runs = page.locator(".runs > li")
    expect(runs).to_have_count(3)
    expect(runs.nth(0)).to_contain_text("Running")
    expect(runs.nth(1)).to_contain_text("The booking is above the daily limit")
    for text in ("Completed", "large-2", "10.", "1,240 in · 210 out", "$0.012"):
        expect(runs.nth(2)).to_contain_text(text)
    runs.nth(1).locator("summary").first.press("Enter")
    runs.nth(1).get_by_role("button", name="Show in the transcript").click()
    expect(page.locator(entry(14))).to_be_focused()


def test_an_interrupted_run_is_said_to_be_so(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    A run whose process died is interrupted in the list, the transcript and the runs.
    """
    page = open_page(showcase, "/?session=ses_0005")
    expect(page.locator(".session-head")).to_contain_text("Interrupted")
    expect(page.locator(".entry").last).to_contain_text("Run interrupted")
    page.get_by_role("tab", name="Runs").click()
    expect(page.locator(".runs > li").first).to_contain_text("Interrupted")


def test_forks_and_children_are_a_tree(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    The arrow keys go through the tree, fold it, and Enter opens a session.
    """
    page = open_page(showcase, f"/?session={RICH}&tab=tree")
    items = page.get_by_role("treeitem")
    expect(items).to_have_count(4)
    page.get_by_role("tree").locator('[tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(page.locator('[role="treeitem"]:focus')).to_have_attribute(
        "aria-expanded", "false"
    )
    page.keyboard.press("ArrowDown")
    expect(page.locator('[role="treeitem"]:focus')).to_contain_text("by train")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Two tickets to Lisbon, by train"
    )


def test_a_session_can_be_taken_along(
    open_page: OpenPage, showcase: ConsoleServer
) -> None:
    """
    The export is a download of one file.
    """
    page = open_page(showcase, f"/?session={RICH}")
    page.locator("#summary-export").click()
    for name in ("Page", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename
        download.value.cancel()


def test_what_does_not_exist_says_so(
    open_page: OpenPage, showcase: ConsoleServer, watch: Watch
) -> None:
    """
    A link to a session that is gone names it, and leads back.
    """
    page = open_page(showcase, f"/?session={quote('no such/one')}")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "There is no such session"
    )
    expect(page.locator("main")).to_contain_text("no such/one")
    # That it was not found is what the browser says, too.
    watch.complaints.clear()
