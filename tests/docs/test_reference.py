"""
What the reference lists is what the code has.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import asm_async
import asm_async.artifacts
import asm_async.coded
import asm_async.console
import asm_async.conventions
import asm_async.encryption
import asm_async.files
import asm_async.importers
import asm_async.integrations.fastapi
import asm_async.integrations.obstore
import asm_async.integrations.opentelemetry
import asm_async.memory
import asm_async.portal
import asm_async.ports
import asm_async.recording
import asm_async.redaction
import asm_async.sharding
import asm_async.sql
import asm_async.transcripts
from asm_async import EventType, errors
from asm_async.conventions import LAYOUTS, Member

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PACKAGES = [
    asm_async,
    asm_async.artifacts,
    asm_async.coded,
    asm_async.console,
    asm_async.conventions,
    asm_async.encryption,
    asm_async.files,
    asm_async.importers,
    asm_async.integrations.fastapi,
    asm_async.integrations.obstore,
    asm_async.integrations.opentelemetry,
    asm_async.portal,
    asm_async.memory,
    asm_async.ports,
    asm_async.recording,
    asm_async.redaction,
    asm_async.sharding,
    asm_async.sql,
    asm_async.transcripts,
]
PORTS = [
    port
    for name in asm_async.ports.__all__
    if getattr(port := getattr(asm_async.ports, name), "_is_protocol", False)
]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
CODE_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def name_of(path: Path) -> str:
    """
    Name a page as a test's id.
    """
    return path.relative_to(ROOT).as_posix()


def table_rows(path: str) -> list[list[str]]:
    """
    Return the cells of each row of a page's tables that begins with a piece of code.
    """
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| `")
    ]


def names_in_section_of(port: type) -> set[str]:
    """
    Return what stands as code in the sections whose headings name a port.
    """
    page = (ROOT / "docs/reference/api.md").read_text("utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)
    own = [each for each in sections if f".{port.__name__}`" in each]
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", "".join(own)))))


def has_name(page: str, name: str) -> bool:
    """
    Return whether a name ends a piece of code of a page.
    """
    return re.search(rf"`(?:[\w.]+\.)?{name}`", page) is not None


def test_the_table_of_errors_is_complete() -> None:
    """
    docs/reference/errors.md has each error with its code, category and retryable.
    """
    expected = [
        [name, error.code, error.category, "yes" if error.retryable else "no"]
        for name in errors.__all__
        for error in [getattr(errors, name)]
    ]

    rows = [row[:4] for row in table_rows("docs/reference/errors.md")]

    assert sorted(rows) == sorted(expected)


def test_the_table_of_event_types_is_complete() -> None:
    """
    docs/reference/events.md has each event type under its name and its value.
    """
    rows = [row[:2] for row in table_rows("docs/reference/events.md")]

    assert rows == [[member.name, member.value] for member in EventType]


def described(member: Member) -> str:
    """
    Write a member of an event's data as the reference does.
    """
    or_not = "" if member.is_required else ", optional"
    return f"`{member.name}` ({member.kind.words}{or_not})"


def test_the_table_of_layouts_is_that_of_the_code() -> None:
    """
    docs/reference/events.md has each type's members of data, in the order of the code.
    """
    rows = [row[3] for row in table_rows("docs/reference/events.md")]

    assert rows == [
        ", ".join(map(described, LAYOUTS[member])).strip("`") for member in EventType
    ]


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_the_interface_has_each_method_and_keyword_of_a_port(port: type) -> None:
    """
    The port's section of docs/reference/api.md names what its calls take by keyword.
    """
    methods = [
        (name, member)
        for name, member in inspect.getmembers(port, callable)
        if not name.startswith("_")
    ]
    keywords = {
        parameter.name
        for _, method in methods
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    wanted = {name for name, _ in methods} | keywords

    assert sorted(wanted - names_in_section_of(port)) == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_interface_has_each_public_name(package: ModuleType) -> None:
    """
    docs/reference/api.md names all that a package offers.
    """
    page = (ROOT / "docs/reference/api.md").read_text("utf-8")
    missing = [name for name in package.__all__ if not has_name(page, name)]

    assert missing == []


def test_ci_runs_the_commands_of_the_readme() -> None:
    """
    The README has one command for the demo and one for the tests, where .ci/run looks.
    """
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    for session in ("demo", "tests"):
        pattern = re.compile(rf"python3 .*nox -s {session}")
        assert len([line for line in lines if pattern.fullmatch(line)]) == 1


def test_each_test_that_the_threat_model_names_is_there() -> None:
    """
    What docs/explanation/security.md says is shown by a test, is shown by one.
    """
    page = (ROOT / "docs/explanation/security.md").read_text("utf-8")
    names = set(re.findall(r"`((?:tests/[\w/]+(?:\.py)?)|[Tt]est_?\w+)`", page))
    folders = (ROOT / "tests", ROOT / "asm_async" / "testing")
    sources = [path.read_text("utf-8") for top in folders for path in top.rglob("*.py")]
    known = set(re.findall(r"(?:def|class) (\w+)", "\n".join(sources)))

    files = {name for name in names if "/" in name}

    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    assert sorted(names - files - known) == []
    assert len(names) > len(files) > 0


@cache
def anchors_of(page: Path) -> set[str]:
    """
    Return the anchors that a forge and the site give the headings of a page.
    """
    text = CODE_BLOCK.sub("", page.read_text("utf-8"))
    slugs = [slug(heading) for heading in HEADING.findall(text)]
    return {
        f"{it}-{slugs[:place].count(it)}" if it in slugs[:place] else it
        for place, it in enumerate(slugs)
    }


def slug(heading: str) -> str:
    """
    Return the anchor of a heading, as GitHub makes it.
    """
    text = LINK.sub("](", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """
    Each relative link of a page names a file that exists, and a heading in it.
    """
    missing: list[str] = []
    text = CODE_BLOCK.sub("", page.read_text("utf-8"))
    for target, anchor in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        linked = page.parent / target if target else page
        if "://" in target:
            continue
        has_place = not anchor or anchor[1:] in anchors_of(linked.resolve())
        if not linked.exists() or not has_place:
            missing.append(target + anchor)

    assert missing == []
