"""
How Sphinx makes the documentation site of what lies in docs/.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from website import (  # noqa: E402 - found from above
    cross_references,
    foreign_members,
    linked_names,
    plain_types,
    sidebar,
)

project = "asm_async"
copyright = "its authors, under the MIT License"  # noqa: A001 - Sphinx's name for it
release = version_of("asm_async")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
# A reference that leads nowhere is a warning, and a warning ends the build.
nitpicky = True

myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
suppress_warnings: list[str] = []

autodoc_inherit_docstrings = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = dict(plain_types.plain_types())
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
add_module_names = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_param = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"asm_async {release}"
html_static_path = [str(HERE / "static")]
templates_path = [str(HERE / "templates")]
html_css_files = ["site.css"]
html_js_files = ["versions.js"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/versions.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Add what this site does beside Sphinx's own.
    """
    cross_references.setup(app)
    foreign_members.setup(app)
    linked_names.setup(app)
    plain_types.setup(app)
    sidebar.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
