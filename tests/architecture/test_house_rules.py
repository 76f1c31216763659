"""
What the tools cannot check of the rules of the house, read off the source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "asm_async").rglob("*.py"))
EVERYTHING = [
    *PACKAGE,
    *sorted((ROOT / "tests").rglob("*.py")),
    *sorted((ROOT / "examples").rglob("*.py")),
    ROOT / "noxfile.py",
]

SHIPPED = [path for path in PACKAGE if path.parts[len(ROOT.parts) + 1] != "testing"]
SQL = ROOT / "asm_async" / "sql"

# What the package may weigh without its tests for adapters: what it weighs. A commit
# that brings a capability raises it, and nothing else does.
MAX_LINES = 104_177
MAX_FLAT_MODULES = 12

DATABASES = {"sqlite", "postgresql"}
ASKS_WHICH = re.compile(r"dialect\.name$|dialect_name$|get_backend_name")

MUTABLE_DISPLAYS = (
    ast.Dict,
    ast.DictComp,
    ast.List,
    ast.ListComp,
    ast.Set,
    ast.SetComp,
)
MUTABLE_TYPES = re.compile(
    r"(\w+\.)*(dict|list|set|bytearray|deque|defaultdict|Counter|OrderedDict|count|cycle"
    r"|Weak\w+|ContextVar|local|R?Lock|Event|Condition|\w*Semaphore|\w*Queue)"
)
READ_ONLY_TYPES = re.compile(r"(Final\[)?(Mapping|Sequence|Set|Collection|Iterable)\b")


def name_of(path: Path) -> str:
    """
    Name a file.
    """
    return path.relative_to(ROOT).as_posix()


def assignments(tree: ast.Module) -> Iterator[tuple[str, str, ast.expr]]:
    """
    Yield name, annotation and value of each assignment at a module's top level.
    """
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                yield ast.unparse(target), "", statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value:
            annotation = ast.unparse(statement.annotation)
            yield ast.unparse(statement.target), annotation, statement.value


def is_mutable(annotation: str, value: ast.expr) -> bool:
    """
    Return whether a value can be changed by those who see it under that annotation.
    """
    if isinstance(value, ast.Call):
        return bool(MUTABLE_TYPES.fullmatch(ast.unparse(value.func)))
    if READ_ONLY_TYPES.match(annotation):
        return False
    return isinstance(value, MUTABLE_DISPLAYS)


def test_a_file_has_at_most_400_lines() -> None:
    """
    No file of the package has more than 400 lines.
    """
    lines = {path: path.read_text("utf-8").splitlines() for path in PACKAGE}

    assert [name_of(path) for path in PACKAGE if len(lines[path]) > 400] == []


def test_the_package_stays_small_enough_to_be_read() -> None:
    """
    The package without its tests for adapters has no more lines than it had.
    """
    lines = sum(path.read_bytes().count(b"\n") for path in SHIPPED)

    assert lines <= MAX_LINES


def test_only_the_public_adapters_lie_flat_in_sql() -> None:
    """
    What is one capability of the SQL backend lies in a folder of its own.
    """
    flat = [path.name for path in SQL.glob("*.py") if path.name != "__init__.py"]

    assert len(flat) <= MAX_FLAT_MODULES


def names_a_database(expression: ast.expr) -> bool:
    """
    Return whether an expression asks which database it is.
    """
    return any(
        (isinstance(node, ast.Constant) and node.value in DATABASES)
        or re.search(
            r"dialect\.name$|dialect_name$|get_backend_name", ast.unparse(node)
        )
        for node in ast.walk(expression)
        if isinstance(node, ast.expr)
    )


def decisions(tree: ast.AST) -> Iterator[ast.expr]:
    """
    Yield what decides which way a program goes.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            yield node.test
        elif isinstance(node, ast.Match):
            yield node.subject
        elif isinstance(node, ast.Compare):
            yield node
        elif isinstance(node, ast.comprehension):
            yield from node.ifs


def test_only_the_dialects_ask_which_database_it_is() -> None:
    """
    No decision outside the dialects looks at a database's name.
    """
    found = {
        f"{name_of(path)}:{decision.lineno}"
        for path in SHIPPED
        if not path.is_relative_to(SQL / "dialects")
        for decision in decisions(ast.parse(path.read_bytes()))
        if names_a_database(decision)
    }

    assert found == set()


def test_the_only_module_level_state_is_the_weak_map_of_engines() -> None:
    """
    No module but one binds a mutable object, and that one is a weak map.
    """
    found = [
        f"{name_of(path)}: {name}: {annotation}"
        for path in PACKAGE
        for name, annotation, value in assignments(ast.parse(path.read_bytes()))
        if name != "__all__" and is_mutable(annotation, value)
    ]

    (only,) = found
    assert only.startswith("asm_async/sql/core/engine_state.py: _STATES: WeakKeyDict")


def test_nothing_rebinds_a_global() -> None:
    """
    No function of the package has a global statement.
    """
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in PACKAGE
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Global)
    ]

    assert found == []


def test_no_module_is_named_for_odds_and_ends() -> None:
    """
    No module of the package is called utils, common or helpers.
    """
    names = {part for path in PACKAGE for part in path.with_suffix("").parts}

    assert names & {"utils", "util", "common", "helpers", "misc"} == set()


def silenced(marker: str) -> Iterator[tuple[str, str, bool]]:
    """
    Yield each comment that silences a tool: where, what, and whether it says why.

    The reason stands behind the comment or in a comment on the line above.
    """
    pattern = re.compile(rf"# ?({marker})([:\[ ][^#]*?)( - \w.*|  # \w.*)?$")
    for path in EVERYTHING:
        above = ""
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if match := pattern.search(line):
                has_reason = bool(match.group(3)) or above.startswith("# ")
                yield f"{name_of(path)}:{number}", match.group(2), has_reason
            above = line.strip()


def test_few_type_errors_are_ignored_and_each_has_its_reason() -> None:
    """
    At most ten type errors are ignored, each by its code and with a reason.
    """
    found = list(silenced("(?:type|pyright): ignore"))

    assert [
        f"{place} {codes}"
        for place, codes, has_reason in found
        if not has_reason or not re.fullmatch(r"\[[\w-]+(, [\w-]+)*\]", codes)
    ] == []
    assert len(found) <= 10


def test_each_silenced_lint_rule_has_its_reason() -> None:
    """
    Each noqa names its rules and says why.
    """
    assert [
        f"{place} {rules}"
        for place, rules, has_reason in silenced("noqa")
        if not has_reason or not re.fullmatch(r": [A-Z]+\d+(, [A-Z]+\d+)*", rules)
    ] == []


def test_each_test_states_the_fact_it_proves() -> None:
    """
    Every test function and test class has a docstring.
    """
    found = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in EVERYTHING
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if node.name.lower().startswith("test") and not ast.get_docstring(node)
    ]

    assert found == []
