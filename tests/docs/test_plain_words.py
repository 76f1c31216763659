"""
Pages, error texts and the docstrings of public names are in plain English.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import asm_async
from tests.docs.test_reference import PACKAGES, PAGES, ROOT, name_of

CODE = re.compile(r"^```.*?^```$|`[^`\n]+`|\]\([^)]+\)", re.DOTALL | re.MULTILINE)

# What is to be written instead, by what reads like another language.
PLAIN: Mapping[str, str] = {
    r"whoever|whomever": "anybody who, a caller that",
    r"lest": "so that ... not",
    r"(?:nobody|somebody)'s": "of no ..., of another ...",
    r"anew": "again",
    r"(?:gone|going|goes) (?:on with|through)": "continued, scanned",
    r"(?:can|cannot|could|to) be had": "is available",
    r"as good as": "counts as",
    r"all the same": "nevertheless",
    r"for ever": "permanently",
    r"in (?:its|their) stead|in place of": "instead",
    r"(?:stands?|stood|lies|lay) (?:in|under|at|beside|behind|before|there|twice)": "is",
    r"(?:directly|comes?|is|are|what|one) behind": "after",
    r"under way": "in progress",
    r"(?:broken|breaks|broke|breaking) off": "interrupted",
    r"patience|hint": "timeout, advice",
    r"shall": "must, will, is to",
    r"foresaw|foresee": "expect",
    r"without a word": "silently",
}
INVERSION = re.compile(r"(?:^|[.:] )What (?:is|was|are|were|has|had) [^?]*?[.;]", re.M)
ODD = re.compile("|".join(rf"\b(?:{each})\b" for each in PLAIN), re.IGNORECASE)


def complaints(place: str, text: str) -> Iterator[str]:
    """
    Yield what is to be worded otherwise in a text, with its place.
    """
    for pattern in (ODD, INVERSION):
        for match in pattern.finditer(" ".join(text.split())):
            yield f"{place}: {match.group()}"
