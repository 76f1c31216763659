"""
Code in the prose that is a public name becomes a link to its description.

The pages stay plain Markdown, and read the same on a forge. A name is linked where it
can mean one thing only: in full (``asm_async.sql.create_engine``), or by its last part
if that is no plain word and nothing else is called so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

from website.public_names import TESTING, public_names

NAME = re.compile(r"[\w.]+")
# Lower-case words without an underscore are words, and could mean anything.
PLAIN_WORD = re.compile(r"[a-z]+")
# Descriptions have references of their own.
GENERATED = "reference/asm_async"


def setup(app: Sphinx) -> None:
    """
    Link names once all pages are read.
    """
    app.connect("doctree-resolved", link_names)


def link_names(app: Sphinx, tree: nodes.document, page: str) -> None:
    """
    Put a link around each piece of code of a page that is a public name.
    """
    if page.startswith(GENERATED):
        return
    known = app.env.domains.python_domain.objects
    for code in list(tree.findall(nodes.literal)):
        name = meaning(code.astext(), port_of(code))
        found = known.get(name)
        if found is None or isinstance(code.parent, nodes.reference | nodes.title):
            continue
        place, text = found.node_id, code.deepcopy()
        code.replace_self(make_refnode(app.builder, page, found.docname, place, text))


def meaning(text: str, port: str) -> str:
    """
    Return the full name of what a piece of code names, or the text itself.
    """
    if not NAME.fullmatch(text):
        return text
    if "." in text and not text.startswith("asm_async"):
        return f"asm_async.{text}"
    return short_names().get(text) or (f"{port}.{text}" if port else text)


def port_of(code: nodes.literal) -> str:
    """
    Return the full name of the port that the section around a piece of code is about.
    """
    section = code.parent
    while section is not None and not isinstance(section, nodes.section):
        section = section.parent
    title = section.next_node(nodes.title) if section is not None else None
    inside = title.next_node(nodes.literal) if title is not None else None
    last = inside.astext().rpartition(".")[2] if inside is not None else ""
    return short_names().get(last, "")


@cache
def short_names() -> Mapping[str, str]:
    """
    Return the full names of what can be named by its last part, by that part.
    """
    found = dict(named_shortly())
    often = Counter(short for short, _ in named_shortly())
    return MappingProxyType({it: found[it] for it in found if often[it] == 1})


def named_shortly() -> Iterator[tuple[str, str]]:
    """
    Yield the last part and the full name of each public name that is no plain word.
    """
    for public in public_names().values():
        if not PLAIN_WORD.fullmatch(public.name) and not public.package.startswith(
            TESTING
        ):
            yield public.name, public.full_name
