"""
What the package shows of itself is what it means to show, and all of it is described.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs
import pytest

import asm_async

PACKAGE = Path(asm_async.__file__).resolve().parent
MODULES = sorted(PACKAGE.rglob("*.py"))
IMPORTABLE = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )
    for path in MODULES
}
BINDINGS = (ast.Name, ast.alias, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PUBLIC_PACKAGES = [
    "asm_async",
    "asm_async.artifacts",
    "asm_async.coded",
    "asm_async.conventions",
    "asm_async.encryption",
    "asm_async.errors",
    "asm_async.files",
    "asm_async.importers",
    "asm_async.memory",
    "asm_async.portal",
    "asm_async.ports",
    "asm_async.recording",
    "asm_async.redaction",
    "asm_async.sharding",
    "asm_async.sql",
    "asm_async.sql.migrations",
    "asm_async.testing",
    "asm_async.transcripts",
    "asm_async.values",
]


def name_of(path: Path) -> str:
    """
    Name a module.
    """
    return path.relative_to(PACKAGE).as_posix()


def module_file(name: str) -> Path:
    """
    Find the source of a module of the package.
    """
    place = PACKAGE.parent.joinpath(*name.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def declared_names(tree: ast.Module) -> list[str]:
    """
    Return what a module's ``__all__`` lists.
    """
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
            if isinstance(target, ast.Name) and target.id == "__all__":
                return list(ast.literal_eval(value))
    return []


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """
    Yield each name of the package that a module imports, and from which module of it.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in IMPORTABLE:
            for alias in node.names:
                yield node.module, alias.name


def as_sorted(name: str) -> tuple[bool, bool, str]:
    """
    Order names as isort does: constants, classes, then the rest.
    """
    return not name.isupper(), not name[0].isupper(), name


def test_the_package_shows_exactly_these_names() -> None:
    """
    ``from asm_async import ...`` offers the names that programs are written against.
    """
    assert asm_async.__all__ == [
        "Changes",
        "Committed",
        "Event",
        "EventType",
        "ExecutionResult",
        "InMemoryPorts",
        "Ports",
        "RetentionPolicy",
        "Run",
        "RunStatus",
        "Session",
        "SessionStatus",
        "SessionStore",
        "StateItem",
        "StateStore",
        "__version__",
        "errors",
        "open_ports",
        "open_store",
    ]


def test_all_is_sorted_and_true() -> None:
    """
    Each module's ``__all__`` is sorted, and each name in it is bound by the module.
    """
    unsorted: list[str] = []
    unbound: list[str] = []
    for path in MODULES:
        tree = ast.parse(path.read_bytes())
        declared = declared_names(tree)
        bound = {
            node.id if isinstance(node, ast.Name) else node.name.partition(".")[0]
            for statement in tree.body
            for node in ast.walk(statement)
            if isinstance(node, BINDINGS)
        }
        if declared != sorted(declared, key=as_sorted):
            unsorted.append(name_of(path))
        unbound += [f"{name_of(path)}: {name}" for name in {*declared} - bound]

    assert unsorted == []
    assert unbound == []


def test_only_public_names_are_imported() -> None:
    """
    A module imports public names alone, and of a package those that it lists.
    """
    private = [
        f"{name_of(path)}: {module}.{name}"
        for path in MODULES
        for module, name in imported_names(ast.parse(path.read_bytes()))
        if name.startswith("_") or not is_offered(module, name)
    ]

    assert private == []


def is_offered(module: str, name: str) -> bool:
    """
    Return whether *module* has a module *name*, or binds or, a package, lists the name.
    """
    return f"{module}.{name}" in IMPORTABLE or name in offered_names(module)


@cache
def offered_names(module: str) -> set[str]:
    """
    Return the names that a module binds itself, or a package lists.
    """
    path = module_file(module)
    tree = ast.parse(path.read_bytes())
    is_package = path.name == "__init__.py"
    return {*declared_names(tree)} if is_package else bound_names(tree)


def bound_names(tree: ast.Module) -> set[str]:
    """
    Return the names that a module binds itself, those that it imports left out.
    """
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign):
            names |= {
                node.id for node in statement.targets if isinstance(node, ast.Name)
            }
        elif isinstance(statement, ast.AnnAssign) and isinstance(
            statement.target, ast.Name
        ):
            names.add(statement.target.id)
    return names


@pytest.mark.parametrize("package", PUBLIC_PACKAGES)
def test_a_public_package_lists_what_it_gathers(package: str) -> None:
    """
    A public package imports names only to offer them.
    """
    tree = ast.parse(module_file(package).read_bytes())
    gathered = {name for _, name in imported_names(tree)}

    assert gathered <= set(declared_names(tree))


@pytest.mark.parametrize("package", PUBLIC_PACKAGES)
def test_public_names_can_be_imported_and_are_described(package: str) -> None:
    """
    Every name that a public package lists exists; classes and functions have docs.
    """
    module = importlib.import_module(package)
    undescribed: list[str] = []
    for name in getattr(module, "__all__", []):
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            undescribed += [f"{name}.{part}" for part in undescribed_parts(thing)]

    assert inspect.getdoc(module)
    assert undescribed == []


def undescribed_parts(thing: type | object) -> list[str]:
    """
    Name the parts of a class or function that have no docstring.
    """
    parts: dict[str, object] = {"": thing}
    if inspect.isclass(thing):
        parts |= {
            name: member
            for name, member in inspect.getmembers(thing)
            if not name.startswith("_")
            if inspect.isroutine(member) or isinstance(member, property)
        }
    return [name for name, part in parts.items() if not inspect.getdoc(part)]


def test_every_field_of_a_value_is_described() -> None:
    """
    Each field of each value has a docstring beneath it.
    """
    undescribed: list[str] = []
    for path in sorted((PACKAGE / "values").glob("*.py")):
        module = importlib.import_module(f"asm_async.values.{path.stem}")
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.ClassDef) and attrs.has(getattr(module, node.name)):
                undescribed += undescribed_fields(node)

    assert undescribed == []


def undescribed_fields(node: ast.ClassDef) -> list[str]:
    """
    Name the annotated attributes of a class that no docstring follows.
    """
    following = [*node.body[1:], ast.Pass()]
    return [
        f"{node.name}.{ast.unparse(statement.target)}"
        for statement, after in zip(node.body, following, strict=True)
        if isinstance(statement, ast.AnnAssign)
        if not ast.unparse(statement.target).startswith("_")
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]
