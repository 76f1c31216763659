"""
Take the pictures of the console that the documentation shows.

    python -m tests.browser.pictures docs/images
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import Literal, TypeAlias

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from asm_async.portal import open_portal
from tests.browser.conftest import OPTIONS
from tests.browser.console_server import ConsoleServer
from tests.browser.showcase import RICH, age_sessions, write_showcase

DESK: ViewportSize = {"width": 1_280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 780}
Scheme: TypeAlias = Literal["light", "dark"]
# Name, address, size and colours.
PICTURES: tuple[tuple[str, str, ViewportSize, Scheme], ...] = (
    ("console-light", f"/?session={RICH}&at=12", DESK, "light"),
    ("console-dark", f"/?session={RICH}&at=18&raw=1", DESK, "dark"),
    ("console-usage", "/?view=usage&span=7", DESK, "light"),
    ("console-phone", f"/?session={RICH}&at=12", PHONE, "light"),
)
SETTLED_MILLISECONDS = 1_500


def take(page: Page, path: Path) -> None:
    """
    Save what the page shows once nothing is loading any more, in 256 colours.
    """
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(256).save(path, optimize=True)


def main() -> None:
    """
    Write the showcase, serve it, and look at it.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    with tempfile.TemporaryDirectory() as temporary:
        database = Path(temporary, "agents.sqlite3")
        with open_portal(f"sqlite+aiosqlite:///{database}", migrate=True) as portal:
            portal.call(lambda: write_showcase(portal.opened, sessions=48))
        age_sessions(database)
        server = ConsoleServer(database)
        server.start()
        try:
            take_all(server.url, directory)
        finally:
            server.stop()


def take_all(url: str, directory: Path) -> None:
    """
    Take each picture in a window of its own.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=OPTIONS
        )
        for name, path, viewport, scheme in PICTURES:
            context = browser.new_context(
                base_url=url, viewport=viewport, color_scheme=scheme
            )
            page = context.new_page()
            page.goto(path)
            take(page, directory / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
