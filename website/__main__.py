"""
Build the documentation site, check it, and put it beside its other versions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from website.built_pages import mistakes_in_site
from website.navigation import SiteError
from website.pages import write_sources
from website.versions import publish

CONFIGURATION = Path(__file__).parent


def build(folder: Path) -> list[str]:
    """
    Build the site into *folder*/html, and return what is wrong with it, in words.
    """
    sources, html = folder / "sources", folder / "html"
    write_sources(sources)
    arguments = ["--fail-on-warning", "--quiet", "--fresh-env", "--jobs=auto"]
    places = [f"--conf-dir={CONFIGURATION}", f"--doctree-dir={folder / 'doctrees'}"]
    if build_main([*arguments, *places, str(sources), str(html)]):
        return ["The site is not built: see the warnings above."]
    return list(mistakes_in_site(html))


def main() -> None:
    """
    Build the site, and end with 1 and the reasons if anything is wrong with it.
    """
    parser = argparse.ArgumentParser(prog="python -m website", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to build; html/ is the site")
    parser.add_argument("--publish", type=Path, metavar="SITE", help="a site to add to")
    parser.add_argument("--version", default="dev", help="the version to add it as")
    options = parser.parse_args()
    try:
        mistakes = build(options.folder.resolve())
    except SiteError as error:
        mistakes = str(error).splitlines()
    if mistakes:
        sys.exit("\n".join(mistakes))
    if options.publish:
        publish(options.folder / "html", options.publish, options.version)


if __name__ == "__main__":
    main()
