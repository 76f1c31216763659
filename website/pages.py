"""
The sources of the site: docs/ with its navigation, what lies beside, and the reference.

They are written into a folder of their own, which Sphinx reads: the repository's pages
stay plain Markdown, as a forge shows it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from website.navigation import (
    Group,
    SiteError,
    groups_of,
    listed_pages,
    mistakes_in_navigation,
)
from website.reference import write_reference

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# Pages of the repository outside docs/, and where the site has them.
BESIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
# The page below which the generated reference stands.
INTERFACE = Path("reference/api.md")

LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


def write_sources(target: Path) -> None:
    """
    Write all that Sphinx reads into the folder *target*, which is made anew.

    Raises:
        SiteError: If a page is not in the navigation, or in it and not there.
    """
    if mistakes := [*mistakes_in_navigation(DOCS)]:
        raise SiteError("\n".join(mistakes))
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(DOCS, target)
    for page in DOCS.rglob("*.md"):
        place = target / page.relative_to(DOCS)
        place.write_text(moved(page, place, target), encoding="utf-8")
    for name, site_name in BESIDE.items():
        if site_name != "index.md":
            place = target / site_name
            place.write_text(moved(ROOT / name, place, target), encoding="utf-8")
    write_navigation(target)
    packages = write_reference(target / "reference")
    append_contents(target / INTERFACE, packages)


def moved(page: Path, place: Path, target: Path) -> str:
    """
    Return a page's text with its links as they lead from its place in the site.
    """

    def lead(match: re.Match[str]) -> str:
        linked = Path(os.path.normpath(page.parent / match[2]))
        new = place_of(linked, target)
        return match[1] + Path(os.path.relpath(new, place.parent)).as_posix() + match[3]

    parts = CODE.split(page.read_text("utf-8"))
    parts[::2] = [LINK.sub(lead, part) for part in parts[::2]]
    return "".join(parts)


def place_of(linked: Path, target: Path) -> Path:
    """
    Return where the site has what a page links, and put there what lies outside docs/.
    """
    if linked.is_relative_to(DOCS):
        return target / linked.relative_to(DOCS)
    name = linked.relative_to(ROOT).as_posix()
    new = target / BESIDE.get(name, f"files/{name}")
    if name in BESIDE:
        return new
    if linked.is_dir():
        new = new.with_suffix(".md")
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(folder_page(linked), encoding="utf-8")
    elif linked.exists():
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(linked, new)
    return new


def folder_page(folder: Path) -> str:
    """
    Return a page that shows the files of a folder.
    """
    lines = ["---", "orphan: true", "---", f"# {folder.relative_to(ROOT)}"]
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            lines += ["", f"## {path.relative_to(folder)}", "", "````text"]
            lines += [path.read_text("utf-8").rstrip("\n"), "````"]
    return "\n".join([*lines, ""])


def write_navigation(target: Path) -> None:
    """
    Write the trees of pages that the indexes list, below the texts of these.
    """
    groups = groups_of((target / "index.md").read_text("utf-8"))
    section = groups[0].title
    for group in groups:
        if group.is_section:
            section, inner = group.title, groups_inside(group, groups)
            entries = [*group.pages, *((each.title, each.own_page) for each in inner)]
            append_contents(target / "index.md", entries, caption=section)
        else:
            write_group(group, target)
    for index in sorted(target.rglob("index.md")):
        if index.parent != target:
            entries = [
                (title, os.path.relpath(path, index.parent))
                for title, path in listed_pages(index)
            ]
            append_contents(index, entries)


def groups_inside(section: Group, groups: list[Group]) -> list[Group]:
    """
    Return the groups of a section.
    """
    following = groups[groups.index(section) + 1 :]
    ends = [at for at, group in enumerate(following) if group.is_section]
    return following[: min(ends, default=len(following))]


def write_group(group: Group, target: Path) -> None:
    """
    Write the page of a group of pages, which lists these.
    """
    page = target / group.own_page
    page.parent.mkdir(exist_ok=True)
    text = re.sub(r"\]\((?=[\w.])(?!\w+:)", "](../", group.text)
    page.write_text(f"# {group.title}\n{text}", encoding="utf-8")
    append_contents(page, [(title, f"../{path}") for title, path in group.pages])


def append_contents(
    page: Path, entries: Iterable[tuple[str, str]], *, caption: str = ""
) -> None:
    """
    Append a tree of pages to a page, which the navigation shows and the page does not.
    """
    lines = [f"{title} <{path.removesuffix('.md')}>" for title, path in entries]
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    block = "\n".join(["", "```{toctree}", *options, "", *lines, "```", ""])
    with page.open("a", encoding="utf-8") as file:
        file.write(block)
