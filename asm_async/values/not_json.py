"""
How errors call what is no JSON value, and what they say to do with it.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping

OR_DEFAULT = ", or give Event.new a default, as json.dumps has it"
"""
What converts whatever is in an event.
"""

# By a method that what is no JSON value may have; the first that fits.
_WAYS: Mapping[str, str] = {
    "model_dump": " by model_dump(mode='json')",
    "isoformat": " by isoformat()",
    "as_tuple": " by str() or float()",
    "tolist": " by tolist()",
    "is_integer": ": None or text can stand in its place",
    "as_posix": " by str()",
    "urn": " by str()",
    "hex": " to text, such as base64",
    "isdisjoint": " by list()",
    "__dataclass_fields__": " by dataclasses.asdict()",
    "__attrs_attrs__": " by attrs.asdict()",
}

# To a checker, the type of what may be anything is unknown.
_type_of: Callable[[object], type[object]] = type


def with_article(noun: str) -> str:
    """
    Put the article before *noun*: ``"a list"``, ``"an int"``.
    """
    return f"{'an' if noun[0] in 'aeioAEIO' else 'a'} {noun}"


def kind_of(value: object) -> str:
    """
    Return the type of *value* with an article: ``"a list"``.
    """
    return with_article(type_name(value))


def type_name(value: object) -> str:
    """
    Return what the type of *value* is called.
    """
    kind = _type_of(value)
    # Others have types of the names of Python's own: numpy has a bool.
    is_namesake = hasattr(builtins, kind.__name__) and kind.__module__ != "builtins"
    return f"{kind.__module__}.{kind.__name__}" if is_namesake else kind.__name__


def remedy_for(value: object) -> str:
    """
    Return how what is no JSON value becomes one.
    """
    ways = [way for name, way in _WAYS.items() if hasattr(value, name)]
    return f"; convert it{ways[0] if ways else ''}{OR_DEFAULT}"
