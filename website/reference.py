"""
The pages of the reference: one for each public package, one for each public class.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from website.data_docstrings import docstring_of_data
from website.navigation import SiteError
from website.public_names import (
    TESTING,
    VALUES,
    PublicName,
    offered,
    public_names,
    public_packages,
)

# Packages that list nothing themselves.
GATHERING = ("asm_async.integrations", TESTING, VALUES)
# Libraries whose bases tell a reader nothing.
WITHOUT_A_WORD = frozenset({"abc", "typing", "builtins"})
ROLE = re.compile(r":[a-z:]+:`~?([^`]+)`")


def write_reference(folder: Path) -> list[tuple[str, str]]:
    """
    Write the pages of the reference into *folder*.

    Returns:
        The titles and names of the pages that are below no other.

    Raises:
        SiteError: Naming what has no docstring.
    """
    names = public_names().values()
    if undescribed := [each.full_name for each in names if not text_of(each)]:
        raise SiteError(f"no docstring: {', '.join(undescribed)}")
    packages = {*public_packages(), *GATHERING}
    for package in sorted(packages):
        own = [each for each in names if each.package == package]
        inner = below(package, packages)
        write_page(folder, package, package_page(package, own, inner))
    for each in names:
        if each.has_own_page:
            write_page(folder, each.full_name, class_page(each))
    return [("asm_async", "asm_async"), *below("asm_async", packages)]


def below(package: str, packages: Iterable[str]) -> list[tuple[str, str]]:
    """
    Return the short and full names of the packages inside a package.
    """
    inside = [each for each in sorted(packages) if each.rpartition(".")[0] == package]
    return [(each.removeprefix("asm_async."), each) for each in inside]


def write_page(folder: Path, name: str, lines: Iterator[str]) -> None:
    """
    Write one page.
    """
    (folder / f"{name}.rst").write_text("\n".join(lines) + "\n", encoding="utf-8")


def text_of(each: PublicName) -> str:
    """
    Return the docstring of a public name.
    """
    has_own = each.is_class or inspect.isroutine(each.thing)
    own = inspect.getdoc(each.thing) if has_own else None
    return own or docstring_of_data(each.name, each.thing) or ""


def heading(text: str) -> list[str]:
    """
    Return the lines of a title.
    """
    return [text, "=" * len(text), ""]


def package_page(
    package: str, own: list[PublicName], inner: list[tuple[str, str]]
) -> Iterator[str]:
    """
    Yield the lines of a package's page.
    """
    yield from heading(package)
    yield f".. automodule:: {package}"
    yield ""
    pages = [each for each in own if each.has_own_page]
    yield from overview(pages)
    if package != "asm_async":
        yield from (f"- :py:mod:`{name}`" for _, name in inner)
        yield ""
    else:
        inner = []
    yield from contents([*((each.name, each.full_name) for each in pages), *inner])
    for line in offered_elsewhere(package):
        yield from [f"- {line}", ""]
    for each in own:
        if not each.has_own_page:
            yield from description(each)


def overview(pages: list[PublicName]) -> Iterator[str]:
    """
    Yield a table of classes with the first sentence of each, and their pages.
    """
    if not pages:
        return
    yield from [".. list-table::", "   :class: overview", ""]
    for each in pages:
        yield f"   * - :py:class:`~{each.full_name}`"
        yield f"     - {first_sentence(each.thing)}"
    yield ""


def contents(entries: list[tuple[str, str]]) -> Iterator[str]:
    """
    Yield the tree of pages that the navigation shows below a page.
    """
    if entries:
        yield from [".. toctree::", "   :hidden:", ""]
        yield from (f"   {title} <{name}>" for title, name in entries)
        yield ""


def first_sentence(thing: Any) -> str:
    """
    Return the first paragraph of a docstring on one line, its roles as plain code.
    """
    paragraph = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return ROLE.sub(r"``\1``", " ".join(paragraph.split()))


def offered_elsewhere(package: str) -> Iterator[str]:
    """
    Yield links to what a package offers and the page of another one describes.
    """
    module = public_packages().get(package)
    if module is None:
        return
    names = public_names()
    for name in module.__all__:
        thing = offered(module, name)
        if inspect.ismodule(thing):
            yield f"``{name}`` is the module :py:mod:`{thing.__name__}`."
        elif f"{package}.{name}" not in names:
            (home,) = (each for each in names.values() if each.thing is thing)
            yield f"``{name}`` is :py:obj:`{home.full_name}`."


def class_page(each: PublicName) -> Iterator[str]:
    """
    Yield the lines of a class's page.
    """
    yield from heading(each.name)
    yield from bases(each.thing)
    yield from description(each)


def description(each: PublicName) -> Iterator[str]:
    """
    Yield the directive that describes a name.
    """
    if each.is_class:
        yield f".. autoclass:: {each.full_name}"
        if not each.package.startswith(TESTING):
            yield from ["   :members:", "   :inherited-members:"]
        yield ""
        if not each.has_own_page:
            yield from (f"   {line}" for line in bases(each.thing))
    elif inspect.isroutine(each.thing):
        yield f".. autofunction:: {each.full_name}"
    else:
        yield f".. py:data:: {each.full_name}"
        yield from ["", *(f"   {line}" for line in text_of(each).splitlines())]
    yield ""


def bases(kind: type) -> Iterator[str]:
    """
    Yield a line that names what a class extends: public classes, and others' classes.

    The parts that the package divides its classes into are no names to build on.
    """
    known = {id(each.thing): each.full_name for each in public_names().values()}
    found: list[type] = []
    for base in kind.__mro__[1:]:
        if is_named_base(base, known) and not any(base in it.__mro__ for it in found):
            found.append(base)
    links = [
        f":py:class:`~{known[id(base)]}`"
        if id(base) in known
        else f"``{base.__module__.partition('.')[0]}.{base.__name__}``"
        for base in found
    ]
    if links:
        yield from [f"Extends {', '.join(links)}.", ""]


def is_named_base(base: type, known: Container[int]) -> bool:
    """
    Return whether a base is public here, or a class of another library.
    """
    library = base.__module__.partition(".")[0]
    is_ours = library == "asm_async"
    return id(base) in known or not (is_ours or library in WITHOUT_A_WORD)
