"""
The configuration files of the page on failover, as one node of a campaign needs them.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["documented", "rendered", "statements", "urls"]

_PAGE = Path(__file__).parents[2] / "docs" / "howto" / "run-with-failover.md"

_BLOCK = re.compile(r"^```\w+\n# (/etc/\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

_SQL = re.compile(r"^```sql\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_URL = re.compile(r"^postgresql://\S+$", re.MULTILINE)

_OF_THIS_NODE = "# this node"
_NETWORK = "10.0.0."


def documented() -> dict[str, str]:
    """
    Return the text of each file that the page shows, by the path it says.
    """
    return dict(_BLOCK.findall(_PAGE.read_text("utf-8")))


def statements() -> list[str]:
    """
    Return what the page has done once, on the primary.
    """
    (text,) = _SQL.findall(_PAGE.read_text("utf-8"))
    return [line for line in text.splitlines() if line]


def urls(*, network: str, servers: int) -> tuple[str, str]:
    """
    Return the page's URLs: by HAProxy, and with so many servers in it.
    """
    proxied, several = _URL.findall(_PAGE.read_text("utf-8"))
    for number in range(servers + 1, 4):
        several = several.replace(f",{_NETWORK}{number}:5432", "")
    return proxied.replace(_NETWORK, network), several.replace(_NETWORK, network)


def rendered(
    text: str, *, network: str, number: int = 1, places: dict[str, str] | None = None
) -> str:
    """
    Return a file as a node needs it; nothing else of it is changed.

    Args:
        text: As the page shows it, for the first node.

        network: What the addresses begin with, such as ``127.3.7.``.

        number: Which node, from 1.

        places: What stands where on this machine, by the page's path.
    """
    lines = [_line(line, number) for line in text.splitlines()]
    result = "\n".join(lines).replace(_NETWORK, network)
    for old, new in (places or {}).items():
        assert old in result, f"the page does not say {old!r}"
        result = result.replace(old, new)
    return f"{result}\n"


def _line(line: str, number: int) -> str:
    if not line.endswith(_OF_THIS_NODE):
        return line
    return line.replace("node1", f"node{number}").replace(
        f"{_NETWORK}1", f"{_NETWORK}{number}"
    )
