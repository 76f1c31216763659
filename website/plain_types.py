"""
Types as a reader knows them: ``str``, where the package writes ``Text``.

The values annotate their fields with types that say what these obey, which is what the
fields' descriptions say too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, get_args

from docutils import nodes
from sphinx.addnodes import desc_annotation, desc_content
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

from website.public_names import VALUES, public_packages

# Sphinx's own handling of docstrings, which takes a colon in them for a type.
NAPOLEON = 500


def setup(app: Sphinx) -> None:
    """
    Show plain types, and leave the texts below fields as they are.
    """
    kept: dict[str, list[str]] = {}

    def keep(*event: Any) -> None:
        _, what, name, _, _, lines = event
        if what in {"attribute", "data"}:
            kept[name] = list(lines)

    def restore(*event: Any) -> None:
        _, _, name, _, _, lines = event
        lines[:] = kept.pop(name, lines)

    app.connect("autodoc-process-docstring", keep, priority=NAPOLEON - 1)
    app.connect("autodoc-process-docstring", restore, priority=NAPOLEON + 1)
    app.connect("autodoc-process-signature", plain_signature)
    app.connect("object-description-transform", show_plain_annotations)


@cache
def plain_types() -> Mapping[str, str]:
    """
    Return the plain types of the annotated ones that the values use, by their names.
    """
    public_packages()
    found: dict[str, str] = {}
    for module in list(sys.modules.values()):
        if module.__name__.startswith(f"{VALUES}."):
            for name, thing in vars(module).items():
                if not name.startswith("_") and hasattr(thing, "__metadata__"):
                    found[name] = stringify_annotation(get_args(thing)[0], "smart")
    return MappingProxyType(found)


def plain_signature(*event: Any) -> tuple[str | None, str | None]:
    """
    Replace the types of a signature, and what attrs takes for a missing default.
    """
    *_, thing, _, signature, returned = event
    # Nobody calls a protocol.
    is_called = not getattr(thing, "_is_protocol", False)
    return plain(signature) if is_called else "", plain(returned)


def show_plain_annotations(
    _app: Sphinx, _domain: str, _kind: str, content: desc_content
) -> None:
    """
    Replace the types of fields.
    """
    parent = content.parent
    for annotation in parent.findall(desc_annotation):
        for text in list(annotation.findall(nodes.Text)):
            text.parent.replace(text, nodes.Text(plain(text.astext()) or ""))


def plain(text: str | None) -> str | None:
    """
    Replace the types in a text.
    """
    if text is None:
        return None
    names = re.compile(rf"\b({'|'.join(plain_types())})\b(?!\w*[=:])")
    shown = names.sub(lambda match: plain_types()[match[1]].lstrip("~"), text)
    return shown.replace("NOTHING", "...")
