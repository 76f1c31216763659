"""
What is looked at in the built pages: links, anchors, alternative texts, and requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, by element.
FETCHED = MappingProxyType(
    {
        "audio": ("src",),
        "embed": ("src",),
        "iframe": ("src",),
        "img": ("src", "srcset"),
        "input": ("src",),
        "object": ("data",),
        "script": ("src",),
        "source": ("src", "srcset"),
        "use": ("href", "xlink:href"),
        "video": ("src", "poster"),
    }
)
# What a link element may be without anything being fetched.
LEADS = frozenset({"canonical", "copyright", "index", "next", "prev", "search", "top"})
EXTERNAL = re.compile(r"(?:[a-z]+:)?//", re.IGNORECASE)
IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class BuiltPage(HTMLParser):
    """
    A built page: what it links, what it fetches, its anchors, its images.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.images_without_text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """
        Note what an element links, fetches and is called.
        """
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and LEADS.isdisjoint(values.get("rel", "").split()):
            self.fetched.append(values["href"])
        own = [values[name] for name in FETCHED.get(tag, ()) if name in values]
        self.fetched += [*own, *addresses_in_style(values.get("style", ""))]
        if tag == "img" and not values.get("alt", "").strip():
            self.images_without_text.append(values.get("src", ""))


@cache
def built_page(path: Path) -> BuiltPage:
    """
    Read a built page, once.
    """
    return BuiltPage(path.read_text("utf-8"))


def addresses_in_style(text: str) -> list[str]:
    """
    Return what a style sheet fetches.
    """
    return [first or second for first, second in IN_STYLE.findall(text)]


def mistakes_in_site(site: Path) -> Iterator[str]:
    """
    Yield, in words, what is wrong with the pages and style sheets below a folder.
    """
    for path in sorted(site.rglob("*.html")):
        page = built_page(path)
        found = [f"the image {it} has no text" for it in page.images_without_text]
        found += [it for link in page.links for it in mistakes_in_link(link, path)]
        found += [it for address in page.fetched for it in mistakes_in(address, path)]
        yield from (f"{path.relative_to(site)}: {mistake}" for mistake in found)
    for path in sorted(site.rglob("*.css")):
        for address in addresses_in_style(path.read_text("utf-8")):
            for mistake in mistakes_in(address, path):
                yield f"{path.relative_to(site)}: {mistake}"


def mistakes_in_link(link: str, path: Path) -> Iterator[str]:
    """
    Yield what is wrong with a link of a page to a page of the same site.
    """
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return
    target = path.parent / unquote(parts.path) if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        yield f"the link {link} leads nowhere"
    elif parts.fragment and target.suffix == ".html":
        anchors = built_page(target.resolve()).anchors
        if unquote(parts.fragment) not in anchors:
            yield f"the link {link} leads to a page that has no such place"


def mistakes_in(address: str, path: Path) -> Iterator[str]:
    """
    Yield what is wrong with something that is fetched for a page or a style sheet.
    """
    if address.startswith(("data:", "#")):
        return
    if EXTERNAL.match(address):
        yield f"{address} is fetched from another host"
    elif not (path.parent / unquote(urlsplit(address).path)).exists():
        yield f"{address} is fetched and not there"
