"""
What classes have from the frameworks that they extend, which describe it themselves.
"""

from __future__ import annotations

import inspect
from typing import Any

from sphinx.application import Sphinx

from website.cross_references import meant


def setup(app: Sphinx) -> None:
    """
    Leave out the members and the docstrings of other libraries.
    """
    app.connect("autodoc-skip-member", skip_unchanged)
    app.connect("autodoc-process-docstring", name_origin)


def is_ours(module: str | None) -> bool:
    """
    Return whether a module is one of this package.
    """
    return (module or "").partition(".")[0] == "asm_async"


def skip_unchanged(*event: Any) -> bool | None:
    """
    Leave out the methods and properties that a class has from another library.
    """
    thing = event[3]
    function = inspect.unwrap(getattr(thing, "fget", None) or thing)
    home = getattr(getattr(function, "__func__", function), "__module__", None)
    is_code = inspect.isroutine(thing) or isinstance(thing, property)
    return True if is_code and not is_ours(home) else None


def name_origin(
    _app: Sphinx, what: str, name: str, thing: Any, _options: Any, lines: list[str]
) -> None:
    """
    Name the method of another library that ours implements, in place of its docstring.
    """
    if what not in {"method", "property"} or getattr(thing, "__doc__", None):
        return
    owner, _, last = name.rpartition(".")
    kinds: tuple[type, ...] = getattr(meant(owner), "__mro__", ())
    for kind in kinds:
        if getattr(vars(kind).get(last), "__doc__", None):
            if not is_ours(kind.__module__):
                lines[:] = [f"Do what ``{kind.__name__}.{last}`` promises.", ""]
            return
