"""
A data export of ChatGPT, made of nothing that anybody said.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

__all__ = ["make_export"]

_MESSAGES = 20
_BEGIN = 1_700_000_000


def make_export(path: Path, megabytes: int) -> None:
    """
    Write conversations of 20 messages each as one array in one line.

    Args:
        path: The file.

        megabytes: How large it becomes at least.
    """
    path.parent.mkdir(exist_ok=True)
    chance = random.Random(18)  # noqa: S311 - no secret
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        number = 0
        while file.tell() < megabytes * 1_000_000:
            file.write("," if number else "")
            json.dump(_conversation(chance, number), file)
            number += 1
        file.write("]")


def _conversation(chance: random.Random, number: int) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    parent: str | None = None
    for place in range(_MESSAGES):
        name = f"{number:08x}-{place:04x}"
        text = "lorem ipsum dolor " * chance.randint(1, 60)
        mapping[name] = {
            "id": name,
            "parent": parent,
            "children": [],
            "message": {
                "id": name,
                "author": {"role": "assistant" if place % 2 else "user"},
                "create_time": _BEGIN + number * 100 + place,
                "content": {"content_type": "text", "parts": [text]},
                "recipient": "all",
                "metadata": {"model_slug": "gpt-4o"},
            },
        }
        parent = name
    return {
        "id": f"{number:08x}",
        "title": f"Chat {number}",
        "create_time": _BEGIN + number * 100,
        "update_time": _BEGIN + number * 100 + _MESSAGES,
        "mapping": mapping,
        "current_node": parent,
    }
