"""
The docstrings below constants, which Python itself does not keep.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from types import MappingProxyType, ModuleType
from typing import Any


def docstring_of_data(name: str, thing: Any) -> str | None:
    """
    Return the docstring below the assignment of a public constant, wherever it stands.
    """
    for module in list(sys.modules.values()):
        is_ours = module.__name__.partition(".")[0] == "asm_async"
        if is_ours and getattr(module, name, None) is thing:
            text = data_docstrings(module).get(name)
            if text is not None:
                return text
    return None


@cache
def data_docstrings(module: ModuleType) -> Mapping[str, str]:
    """
    Return the docstrings below the assignments of a module, by name.
    """
    tree = ast.parse(inspect.getsource(module))
    return MappingProxyType(dict(documented_assignments(tree)))


def documented_assignments(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """
    Yield the name and the docstring of each assignment that a text follows.
    """
    conditional = [node.body for node in tree.body if isinstance(node, ast.If)]
    for body in (tree.body, *conditional):
        for statement, below in pairwise(body):
            match statement, below:
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    yield name, inspect.cleandoc(text)
                case _:
                    pass
