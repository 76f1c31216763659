"""
Pages, texts of errors and docstrings of public names are in plain English.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from token import COMMENT, STRING
from tokenize import tokenize
from types import ModuleType

import pytest

from tests.docs.test_reference import PACKAGES, PAGES, ROOT, name_of

SOURCES = [
    path
    for path in sorted((ROOT / "asm_async").rglob("*.py"))
    if "testing" not in path.parts
]
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`|\]\([^)]+\)", re.DOTALL | re.MULTILINE)

# What reads like another language, and what to write instead.
PLAIN: Mapping[str, str] = {
    r"whoever|whomever": "anybody who, a caller that",
    r"lest": "so that ... not",
    r"(?:nobody|somebody)'s": "of no ..., of another ...",
    r"anew": "again",
    r"(?:gone|going|goes) on with": "continues",
    r"gone through": "scanned",
    r"(?:can|cannot|could|to) be had": "is available",
    r"as good as": "counts as",
    r"all the same": "nevertheless",
    r"for ever": "permanently",
    r"in (?:its|their) stead": "instead",
    r"(?:stands?|stood|lies|lay) (?:under|at|beside|behind|before|there|twice)": "is",
    r"(?:directly|comes?|is|what|one) behind": "after",
    r"under way": "in progress",
    r"(?:broken|breaks|broke|breaking) off": "interrupted",
    r"patience|hint": "timeout, advice",
    r"foresaw|foresee": "expect",
    r"without a word": "silently",
}
ODD = re.compile("|".join(rf"\b(?:{each})\b" for each in PLAIN), re.IGNORECASE)
# What stands in no comment, either.
ODD_ANYWHERE = re.compile(
    r"\b(?:whoever|whomever|lest|anew|for\s+ever|patience|outlook|news)\b"
    r"|^\s*(?:Give|Tell) ",
    re.IGNORECASE | re.MULTILINE,
)
# A sentence that has its subject in a clause: "What is stored is compared".
INVERTED = re.compile(r"(?:^|[.:] )What (?:is|was|are|were|has|had) [^?]{20,}?[.;:]")


def complaints(place: str, text: str) -> list[str]:
    """
    List what is to be worded otherwise in a text.
    """
    line = " ".join(text.split())
    return [
        f"{place}: {match.group()}"
        for pattern in (ODD, INVERTED)
        for match in pattern.finditer(line)
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_in_plain_english(page: Path) -> None:
    """
    No page has a phrase of which a plain one says the same.
    """
    lines = CODE.sub("", page.read_text("utf-8")).splitlines()

    assert [found for line in lines for found in complaints("", line)] == []


def texts_of_errors(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """
    Yield each text in a ``raise``, with its line.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, part.value


def test_errors_are_in_plain_english() -> None:
    """
    No error has a phrase of which a plain one says the same.
    """
    found = [
        complaint
        for path in SOURCES
        for line, text in texts_of_errors(ast.parse(path.read_bytes()))
        for complaint in complaints(f"{name_of(path)}:{line}", text)
    ]

    assert found == []


def comments_and_docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """
    Yield all that a file says beside its code, with its line.
    """
    with path.open("rb") as file:
        for token in tokenize(file.readline):
            is_text = token.type == STRING and token.line.strip().startswith('"""')
            if is_text or token.type == COMMENT:
                yield token.start[0], token.string


def test_no_comment_has_an_odd_word() -> None:
    """
    Neither has a docstring of what is not public, those of the suites included.
    """
    found = [
        f"{name_of(path)}:{line}: {match.group()}"
        for path in sorted((ROOT / "asm_async").rglob("*.py"))
        for line, text in comments_and_docstrings(path)
        for match in ODD_ANYWHERE.finditer(text)
    ]

    assert found == []


def docstrings_of(name: str, value: object) -> Iterator[tuple[str, str]]:
    """
    Yield the docstrings of a public value and of its own public members.
    """
    yield name, inspect.getdoc(value) or ""
    if inspect.isclass(value):
        for member, function in vars(value).items():
            if not member.startswith("_") and callable(function):
                yield f"{name}.{member}", inspect.getdoc(function) or ""


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_public_docstrings_are_in_plain_english(package: ModuleType) -> None:
    """
    No docstring of a public name has a phrase of which a plain one says the same.
    """
    found = [
        complaint
        for name in package.__all__
        for place, text in docstrings_of(name, getattr(package, name))
        for complaint in complaints(place, text)
    ]

    assert found == []
