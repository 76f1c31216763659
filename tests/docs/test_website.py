"""
The documentation site is made of what is there, and mistakes in its pages are found.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.page_blocks import ROOT
from website.built_pages import mistakes_in_site
from website.data_docstrings import documented_assignments
from website.navigation import groups_of, mistakes_in_navigation
from website.versions import publish


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """
    Write an index that lists a page and a folder with an index of its own.
    """
    folder = tmp_path / "docs"
    (folder / "more").mkdir(parents=True)
    index = "# Title\n\n## Do\n\n- [One](one.md)\n- [More](more/index.md)\n"
    (folder / "index.md").write_text(index)
    (folder / "one.md").write_text("# One\n")
    (folder / "more" / "index.md").write_text("# More\n\n- [Two](two.md)\n")
    (folder / "more" / "two.md").write_text("# Two\n")
    return folder


def test_the_navigation_has_each_page_of_docs() -> None:
    """
    Each page of docs/ stands once in docs/index.md, or in the index of its folder.
    """
    assert list(mistakes_in_navigation(ROOT / "docs")) == []


def test_pages_in_folders_are_listed_there(docs: Path) -> None:
    """
    A folder's own index lists its pages, and the index above lists the folder's.
    """
    assert list(mistakes_in_navigation(docs)) == []


def test_a_page_that_no_index_lists_is_named_with_the_line_to_add(docs: Path) -> None:
    """
    A new page without a line in its index is refused, in words that say what to do.
    """
    (docs / "new.md").write_text("# New\n")
    (docs / "more" / "newer.md").write_text("# Newer\n")

    assert sorted(mistakes_in_navigation(docs)) == [
        "docs/index.md does not list new.md: add a line '- [Title](new.md)'",
        "docs/more/index.md does not list newer.md: add a line '- [Title](newer.md)'",
    ]


def test_a_line_without_a_page_and_a_page_with_two_lines_are_named(docs: Path) -> None:
    """
    An index that lists what is not there, or a page twice, is refused.
    """
    with (docs / "index.md").open("a") as index:
        index.write("- [One again](one.md)\n- [None](none.md)\n")

    assert sorted(mistakes_in_navigation(docs)) == [
        "docs/index.md lists none.md, which does not exist",
        "docs/index.md lists one.md 2 times",
    ]


def test_headings_of_the_index_are_sections_and_groups() -> None:
    """
    A heading of the second level begins a section, one of the third a group in it.
    """
    do, see = "## Do\n\n### Start\n\n- [One](one.md): it.", "## See\n\n- [Two](b/c.md)"

    groups = groups_of(f"# Title\n\n{do}\n\n{see}\n")

    assert [(each.is_section, each.title, each.pages) for each in groups] == [
        (True, "Do", []),
        (False, "Start", [("One", "one.md")]),
        (True, "See", [("Two", "b/c.md")]),
    ]


@pytest.mark.parametrize(
    ("html", "mistake"),
    [
        ('<a href="gone.html">x</a>', "the link gone.html leads nowhere"),
        (
            '<a href="other.html#gone">x</a>',
            "the link other.html#gone leads to a page that has no such place",
        ),
        (
            '<a href="#gone">x</a>',
            "the link #gone leads to a page that has no such place",
        ),
        ('<img src="a.png">', "the image a.png has no text"),
        ('<img src="a.png" alt=" ">', "the image a.png has no text"),
        (
            '<script src="https://cdn.example/a.js"></script>',
            "https://cdn.example/a.js is fetched from another host",
        ),
        (
            '<link rel="stylesheet" href="//cdn.example/a.css">',
            "//cdn.example/a.css is fetched from another host",
        ),
        (
            '<p style="background: url(http://cdn.example/a.png)">',
            "http://cdn.example/a.png is fetched from another host",
        ),
        ('<img src="b.png" alt="b">', "b.png is fetched and not there"),
    ],
)
def test_a_mistake_in_a_built_page_is_found(
    html: str, mistake: str, tmp_path: Path
) -> None:
    """
    Dead links and anchors, images without a text, and requests to others are named.
    """
    (tmp_path / "a.png").touch()
    (tmp_path / "other.html").write_text('<h1 id="here">Other</h1>')
    (tmp_path / "page.html").write_text(html)

    assert list(mistakes_in_site(tmp_path)) == [f"page.html: {mistake}"]


def test_a_style_sheet_that_asks_another_host_is_found(tmp_path: Path) -> None:
    """
    Fonts and imports in style sheets are looked at, too.
    """
    sheet = '@import "https://fonts.example/a.css"; p { src: url("data:font/woff2,") }'
    (tmp_path / "a.css").write_text(sheet)

    assert list(mistakes_in_site(tmp_path)) == [
        "a.css: https://fonts.example/a.css is fetched from another host"
    ]


def test_a_page_that_is_right_is_let_through(tmp_path: Path) -> None:
    """
    Links to places, pages and other sites are no mistakes, nor is what is there.
    """
    (tmp_path / "a.png").touch()
    (tmp_path / "page.html").write_text(
        '<link rel="next" href="page.html"><h1 id="here">Page</h1>'
        '<a href="#here">x</a><a href="page.html#here">x</a>'
        '<a href="https://example.org/">x</a><img src="a.png" alt="a">'
    )

    assert list(mistakes_in_site(tmp_path)) == []


def test_a_version_is_put_beside_the_others(tmp_path: Path) -> None:
    """
    The list of versions is newest first, and the first page leads to the last release.
    """
    html, site = tmp_path / "html", tmp_path / "site"
    html.mkdir()
    for version in ("0.9.0", "dev", "0.10.0", "0.9.0"):
        (html / "index.html").write_text(f"built as {version}")
        publish(html, site, version)

    versions = json.loads((site / "versions.json").read_text())
    assert versions == ["0.10.0", "0.9.0", "dev"]
    assert "url=0.10.0/index.html" in (site / "index.html").read_text()
    assert (site / "0.9.0" / "index.html").read_text() == "built as 0.9.0"


def test_the_docstring_below_a_constant_is_found() -> None:
    """
    Python keeps no docstrings of constants; they are read off the source.
    """
    inner = 'if A:\n    B: int\n    """\n    Two.\n    """\n'
    tree = ast.parse(f'A = 1\n"""One."""\n{inner}C = 3\n')

    assert dict(documented_assignments(tree)) == {"A": "One.", "B": "Two."}
