"""
The navigation of the site, which is what docs/index.md lists.

Its headings are the sections, and those one level below are groups of pages; each line
of a list that begins with a link is a page. A folder with an ``index.md`` of its own
lists its pages there, in the same way.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs

HEADING = re.compile(r"^(##|###) (.+)$", re.MULTILINE)
ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)#\s]+\.md)\)", re.MULTILINE)


class SiteError(Exception):
    """
    What keeps the site from being built, in words for those who write its pages.
    """


@attrs.frozen
class Group:
    """
    The pages below one heading of an index.
    """

    is_section: bool
    title: str
    text: str

    @property
    def pages(self) -> list[tuple[str, str]]:
        """
        The title and the path of each page that it lists.
        """
        return ENTRY.findall(self.text)

    @property
    def own_page(self) -> str:
        """
        The page that the site makes for a group inside a section.
        """
        return f"guides/{self.title.lower().replace(' ', '-')}.md"


def groups_of(index: str) -> list[Group]:
    """
    Return what stands below each heading of an index.
    """
    parts = HEADING.split(index)[1:]
    triples = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return [Group(marks == "##", title, text) for marks, title, text in triples]


def listed_pages(index: Path) -> list[tuple[str, Path]]:
    """
    Return the titles and paths of the pages that an index lists.
    """
    text = index.read_text("utf-8")
    return [
        (title, Path(os.path.normpath(index.parent / path)))
        for title, path in ENTRY.findall(text)
    ]


def index_for(page: Path, docs: Path) -> Path:
    """
    Return the index that has to list a page: that of its folder, or of one above.
    """
    folder = page.parent.parent if page.name == "index.md" else page.parent
    while folder != docs and not (folder / "index.md").exists():
        folder = folder.parent
    return folder / "index.md"


def mistakes_in_navigation(docs: Path) -> Iterator[str]:
    """
    Yield, in words, which pages are missing from an index, or stand there too often.
    """
    pages = sorted(path for path in docs.rglob("*.md") if path != docs / "index.md")
    for index in sorted(docs.rglob("index.md")):
        name = index.relative_to(docs.parent)
        listed = Counter(path for _, path in listed_pages(index))
        for page in pages:
            entry = Path(os.path.relpath(page, index.parent)).as_posix()
            if index_for(page, docs) == index and page not in listed:
                yield f"{name} does not list {entry}: add a line '- [Title]({entry})'"
        for page, times in listed.items():
            entry = Path(os.path.relpath(page, index.parent)).as_posix()
            if not page.exists():
                yield f"{name} lists {entry}, which does not exist"
            if times > 1:
                yield f"{name} lists {entry} {times} times"
