"""
What the package can log, read off its source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "asm_async").rglob("*.py"))
LEVELS = {"debug", "info", "warning", "error"}
LOGGERS = {"_LOG", "_LOGGER", "_log", "_logger"}


class Message(NamedTuple):
    """
    A message, with the logger and level that it has.
    """

    logger: str
    level: str
    text: str


def messages() -> set[Message]:
    """
    Return all messages of the package, but for its contract suites.
    """
    return {
        message
        for path in PACKAGE
        if "testing" not in path.parts
        for message in _messages_in(path)
    }


def _messages_in(path: Path) -> Iterator[Message]:
    tree = ast.parse(path.read_bytes())
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (found := _logged(node)):
            level, said = found
            if isinstance(said, ast.Name) and said.id in constants:
                said = constants[said.id]
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                yield Message(module, level, said.value)
            elif module != "asm_async.fronts.log_records" and said is not None:
                # Those that pass a message on, and no others.
                assert ast.unparse(said) == "message", f"{module}: {ast.unparse(node)}"


def _logged(call: ast.Call) -> tuple[str, ast.expr | None] | None:
    """
    Return the level and the message of a call that logs.
    """
    if not isinstance(call.func, ast.Attribute):
        return None
    names = [ast.unparse(argument) for argument in call.args]
    method, owner = call.func.attr, ast.unparse(call.func.value)
    if owner in LOGGERS and method in {*LEVELS, "exception", "critical", "log"}:
        assert method in LEVELS, ast.unparse(call)
        return method.upper(), call.args[0]
    if method == "end" and names and names[0] in LOGGERS:
        return "INFO", call.args[1]
    if method == "log" and len(names) > 1:
        for at in (0, 1):
            if names[at].startswith("logging."):
                return names[at].removeprefix("logging."), call.args[at + 1]
            if names[at] == "level":
                return "", None
    return None
