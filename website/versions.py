"""
The published site: a folder for each version, and a list of them for their pages.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

RELEASE = re.compile(r"\d+(?:\.\d+)*")
REDIRECT = """<!doctype html>
<html lang="en">
<title>asm_async</title>
<meta http-equiv="refresh" content="0; url={version}/index.html">
<a href="{version}/index.html">asm_async {version}</a>
</html>
"""


def publish(html: Path, site: Path, version: str) -> None:
    """
    Put a built version beside those that *site* has, in place of an earlier build.

    The first page of the site leads to the newest release, or to the newest version if
    none is released.
    """
    site.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(site / version, ignore_errors=True)
    shutil.copytree(html, site / version)
    versions = newest_first([path.parent.name for path in site.glob("*/index.html")])
    text = json.dumps(versions, indent=2)
    (site / "versions.json").write_text(f"{text}\n", encoding="utf-8")
    page = REDIRECT.format(version=versions[0])
    (site / "index.html").write_text(page, encoding="utf-8")


def newest_first(versions: list[str]) -> list[str]:
    """
    Order versions: releases by their numbers, then what is not a release.
    """
    return sorted(versions, key=order_of, reverse=True)


def order_of(version: str) -> tuple[bool, list[int], str]:
    """
    Return what a version is ordered by.
    """
    is_release = RELEASE.fullmatch(version) is not None
    numbers = [int(part) for part in version.split(".")] if is_release else []
    return is_release, numbers, version
