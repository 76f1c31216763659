"""
The tree of messages that a conversation of ChatGPT is, and the branch that is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import attrs

from asm_async.importers.records import NotUnderstoodError


@attrs.frozen(eq=False)
class Node:
    """
    One node of the tree.
    """

    id: str
    record: Mapping[str, Any]
    """
    All of it, the relations to others too.
    """

    message: Mapping[str, Any]
    """
    Its message; an empty object if it has none.
    """

    @property
    def parent_id(self) -> str | None:
        """
        The node above it.
        """
        parent = self.record.get("parent")
        return parent if isinstance(parent, str) else None


class MessageTree:
    """
    The nodes of a conversation.

    Args:
        conversation: The conversation, as it stands in the export.

    Raises:
        NotUnderstoodError: If it has none.
    """

    def __init__(self, conversation: Mapping[str, Any]) -> None:
        mapping = conversation.get("mapping")
        if not isinstance(mapping, dict):
            raise NotUnderstoodError("it is no conversation: it has no mapping")
        self._nodes = dict(_nodes_of(cast("dict[str, Any]", mapping)))
        self._current = conversation.get("current_node")

    @property
    def misshapen(self) -> Iterator[str]:
        """
        The ids of nodes that are no objects.
        """
        return (name for name, node in self._nodes.items() if node is None)

    def shown(self) -> list[Node]:
        """
        Return the nodes of the branch that is shown, from the beginning.

        It ends with the current node. Where there is none, it ends with the last node
        that no other one follows.
        """
        node = self._node(self._current) or self._last_leaf()
        branch: list[Node] = []
        passed: set[str] = set()
        # A node that is above itself ends the way up.
        while node is not None and node.id not in passed:
            passed.add(node.id)
            branch.append(node)
            node = self._node(node.parent_id)
        return branch[::-1]

    def others(self, shown: list[Node]) -> Iterator[Node]:
        """
        Yield the nodes with a message that are not shown.
        """
        ids = {node.id for node in shown}
        for node in self._nodes.values():
            if node is not None and node.message and node.id not in ids:
                yield node

    def _node(self, node_id: object) -> Node | None:
        return self._nodes.get(node_id) if isinstance(node_id, str) else None

    def _last_leaf(self) -> Node | None:
        nodes = [node for node in self._nodes.values() if node and node.message]
        above = {node.parent_id for node in nodes}
        leaves = [node for node in nodes if node.id not in above]
        last = leaves or nodes
        return last[-1] if last else None


def _nodes_of(mapping: Mapping[str, Any]) -> Iterator[tuple[str, Node | None]]:
    for name, record in mapping.items():
        if isinstance(record, dict):
            plain = cast("dict[str, Any]", record)
            message = plain.get("message")
            known = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
            yield name, Node(name, plain, known)
        else:
            yield name, None
