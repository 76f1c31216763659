"""
Where the roles of docstrings lead: to the page that describes what they name.

Sphinx finds a name where it is described. But docstrings are inherited, and several
packages offer the same name: so what Sphinx does not find is looked up as Python would,
from the class or module in which the docstring stands.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from website.public_names import PublicName, public_names


def setup(app: Sphinx) -> None:
    """
    Resolve here what Sphinx does not.
    """
    app.connect("missing-reference", find_elsewhere)


def find_elsewhere(
    app: Sphinx,
    env: BuildEnvironment,
    node: addnodes.pending_xref,
    content: nodes.TextElement,
) -> nodes.Element | None:
    """
    Return a link to what a role or a type names; else a type as it is, but no role.
    """
    if node.get("refdomain") != "py":
        return None
    text = shown_content(node, content)
    for name in names_of(node):
        found = env.domains.python_domain.objects.get(name)
        if found is not None:
            page, place = found.docname, found.node_id
            return make_refnode(app.builder, node["refdoc"], page, place, text)
    # A type may be private or another library's; a role that leads nowhere is wrong.
    is_type = not isinstance(text, nodes.literal)
    return text if is_type else None


def shown_content(
    node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.TextElement:
    """
    Return what a reference shows; a type has a short text for when it is a link.
    """
    for child in node.findall(addnodes.pending_xref_condition):
        if child["condition"] in {"resolved", "*"}:
            return nodes.inline("", "", *(each.deepcopy() for each in child.children))
    return content


def names_of(node: addnodes.pending_xref) -> Iterator[str]:
    """
    Yield the names under which the reference may describe what a node refers to.
    """
    target, module, kind = (
        node.get(key) or "" for key in ("reftarget", "py:module", "py:class")
    )
    inside = f"{module}.{kind}" if kind and module and module not in kind else kind
    for place in (inside, module, ""):
        owner = meant(place) if place else None
        # A docstring may name what stands beside its class.
        beside = meant(getattr(owner, "__module__", "")) if owner else None
        for start in (owner, beside) if place else (None,):
            yield from names_below(start, target)


def names_below(start: Any, target: str) -> Iterator[str]:
    """
    Yield the names of what *target* means, seen from a class, a module or nowhere.
    """
    *way, last = target.split(".")
    if start is None:
        owner = meant(".".join(way)) if way else None
    else:
        owner = attribute(start, way)
    thing = attribute(owner, [last])
    if thing is None:
        return
    for public in public_names().values():
        if public.thing is thing:
            yield public.full_name
    yield from (f"{public.full_name}.{last}" for public in described_with(owner))
    if inspect.ismodule(thing):
        yield thing.__name__


def described_with(owner: Any) -> list[PublicName]:
    """
    Return the public classes that have the methods of *owner*, itself first.
    """
    if not inspect.isclass(owner):
        return []
    classes = [each for each in public_names().values() if each.is_class]
    having = [each for each in classes if owner in each.thing.__mro__]
    return sorted(having, key=lambda each: len(each.thing.__mro__))


def attribute(owner: Any, way: list[str]) -> Any:
    """
    Follow attributes by name; None where there is none.
    """
    for name in way:
        owner = getattr(owner, name, None)
    return owner


def meant(name: str) -> Any:
    """
    Return the module, or what stands in one, that a dotted name means, or None.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:length]))
        except (ImportError, ValueError):
            continue
        return attribute(module, parts[length:])
    return None
