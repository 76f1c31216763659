"""
The sidebar: of what lies below other pages, only the branch of the page that is shown.

The theme would write the whole tree into each page, which takes longer than all else.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

BEFORE_THE_THEME = 100


def setup(app: Sphinx) -> None:
    """
    Change what the theme makes its sidebar of.
    """
    app.connect("html-page-context", show_one_branch, priority=BEFORE_THE_THEME)


def show_one_branch(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object
) -> None:
    """
    Let the navigation of a page end where the page does not lie.
    """
    whole = context["toctree"]

    def one_branch(**options: Any) -> str:
        return str(whole(**{**options, "collapse": True}))

    context["toctree"] = one_branch
