"""
What axe-core, which is the accessibility check of browsers' own tools, finds in a page.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

# The package brings axe-core; its own wrapper has no types.
SCRIPT = files("axe_playwright_python").joinpath("axe.min.js")
RUN = "axe.run({resultTypes: ['violations']}).then((found) => found.violations)"


def problems(page: Page) -> list[str]:
    """
    Return what is serious or critical, with the element and what to do.
    """
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    violations: list[dict[str, Any]] = page.evaluate(RUN)
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary']}"
        for each in violations
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]
