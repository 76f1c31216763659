"""
The public names of the package, and where the reference describes each of them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any, get_args, get_type_hints

import attrs

import asm_async

TESTING = "asm_async.testing"
VALUES = "asm_async.values"
ERRORS = "asm_async.errors"
# What these offer is for the modules beside them.
INNER = ("asm_async.cli", "asm_async.__main__", "asm_async.sql.dialects")


@attrs.frozen
class PublicName:
    """
    A public object under the name that the reference describes it by.
    """

    module: str
    name: str
    thing: Any
    package: str
    """
    The package on whose page it stands or is listed.
    """

    @property
    def full_name(self) -> str:
        """
        The dotted name that it can be imported by.
        """
        return f"{self.module}.{self.name}"

    @property
    def is_class(self) -> bool:
        """
        Whether it is a class.
        """
        return inspect.isclass(self.thing)

    @property
    def has_own_page(self) -> bool:
        """
        Whether it is described on a page of its own.

        Errors are short, and the suites for adapters are lists of tests: these are
        described on the page of their package.
        """
        return self.is_class and not self.package.startswith((TESTING, ERRORS))


@cache
def public_packages() -> Mapping[str, ModuleType]:
    """
    Import each module that lists what it offers, and return them by name.
    """
    found = {"asm_async": asm_async}
    with warnings.catch_warnings():
        # What a framework says when it is imported concerns its users alone.
        warnings.simplefilter("ignore")
        for each in pkgutil.walk_packages(asm_async.__path__, "asm_async."):
            if each.name.startswith(INNER) or is_part_of_suite(each.name):
                continue
            module = importlib.import_module(each.name)
            if getattr(module, "__all__", ()):
                found[each.name] = module
    return MappingProxyType(found)


def is_part_of_suite(module: str) -> bool:
    """
    Return whether a module is what one of the packages for tests is made of.
    """
    return module.startswith(TESTING) and module.count(".") > TESTING.count(".") + 1


@cache
def public_names() -> Mapping[str, PublicName]:
    """
    Return each public object once, by the name that the reference describes it by.

    What several packages offer is described by the first of them. Values that stand in
    the signatures of all this, and that no package lists, stand with the values.
    """
    found: dict[str, PublicName] = {}
    seen: set[int] = set()
    for package, module in public_packages().items():
        for name in module.__all__:
            thing = offered(module, name)
            is_shared = inspect.isclass(thing) or inspect.isroutine(thing)
            if inspect.ismodule(thing) or (is_shared and id(thing) in seen):
                continue
            seen.add(id(thing))
            found[f"{package}.{name}"] = PublicName(package, name, thing, package)
    for thing in values_reached([each.thing for each in found.values()]):
        public = PublicName(thing.__module__, thing.__name__, thing, VALUES)
        found[public.full_name] = public
    return MappingProxyType(found)


def offered(module: ModuleType, name: str) -> Any:
    """
    Return what a module offers under a name; some of it is imported by asking.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(module, name)


def values_reached(things: Iterable[Any]) -> list[type]:
    """
    Return the values in the signatures of *things*, and in those of these values.
    """
    waiting = list(things)
    known = {id(each) for each in waiting}
    found: list[type] = []
    while waiting:
        for kind in annotated_classes(waiting.pop()):
            if id(kind) not in known and is_value(kind):
                known.add(id(kind))
                found.append(kind)
                waiting.append(kind)
    return sorted(found, key=lambda kind: kind.__name__)


def is_value(kind: type) -> bool:
    """
    Return whether a class is a value, an enumeration or a protocol among the values.
    """
    is_inside = kind.__module__.startswith(f"{VALUES}.")
    is_private = kind.__name__.startswith("_")
    is_protocol = getattr(kind, "_is_protocol", False)
    has_fields = attrs.has(kind) or issubclass(kind, Enum) or is_protocol
    return is_inside and has_fields and not is_private


def annotated_classes(thing: Any) -> Iterator[type]:
    """
    Yield the classes that a function's annotations name, or those of a class's methods.
    """
    parts = [thing]
    if inspect.isclass(thing):
        members = inspect.getmembers(thing)
        parts += [each for name, each in members if not name.startswith("_")]
    for each in parts:
        part = each.fget if isinstance(each, property) else each
        if str(getattr(part, "__module__", "")).startswith("asm_async"):
            for hint in hints_of(part).values():
                yield from classes_in(hint)


def hints_of(thing: Any) -> Mapping[str, Any]:
    """
    Return the annotations of a class or function, as far as they can be evaluated.
    """
    try:
        return get_type_hints(thing)
    except (NameError, TypeError):
        return {}


def classes_in(hint: Any) -> Iterator[type]:
    """
    Yield the classes that a type is made of.
    """
    if inspect.isclass(hint):
        yield hint
    inside: Iterable[Any] = get_args(hint)
    for each in (*inside, *parameters_in(hint)):
        yield from classes_in(each)


def parameters_in(hint: list[Any] | type) -> Iterable[Any]:
    """
    Return the parameters of a callable, which stand in a list within its type.
    """
    return hint if isinstance(hint, list) else ()
