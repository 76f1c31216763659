"""
How the value of a channel is stored: whole, or as the list of its elements' digests.

What an element weighs is stored once, however many versions of however many lists it
stands in. Of a longer list the digests stand in nodes of 64, which are parts, too: a
list that grows by one element a turn costs that element and one node a turn, however
long it is. Which form a value takes depends on the value alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import attrs
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

MAX_INLINE = 256
"""
The longest form, in bytes, that stands in the checkpoint itself.
"""

_DIGEST = 16
_MIN_ELEMENTS = 4
_MIN_ELEMENT_BYTES = 64
_DIGESTS_PER_NODE = 64

# A form begins with one of these.
_WHOLE, _LIST, _NODES = b"w", b"l", b"n"


@attrs.frozen
class Encoded:
    """
    The form of a value, and the parts that it names.
    """

    form: bytes
    parts: Mapping[bytes, bytes] = attrs.field(factory=dict[bytes, bytes])
    """
    The elements, and the nodes of a long list of digests, by their own digests.
    """

    elements: Sequence[bytes] = ()
    """
    The digests of the elements, in their order.
    """

    @property
    def is_inline(self) -> bool:
        """
        Whether it stands in the checkpoint itself.
        """
        return len(self.form) <= MAX_INLINE


def encode(serde: SerializerProtocol, value: object) -> Encoded:
    """
    Return the form of a value.

    Other serializers than LangGraph's own, such as one that encrypts with a fresh
    nonce, may never give the same bytes twice: their values are stored whole.
    """
    if is_list(value) and isinstance(serde, JsonPlusSerializer):
        contents = _contents(serde, cast("list[object]", value))
        if contents is not None:
            return _listed(contents)
    return Encoded(_WHOLE + pack(serde, value))


def decode(
    serde: SerializerProtocol, form: bytes, parts: Mapping[bytes, bytes]
) -> object:
    """
    Return the value of a form, all of whose parts are at hand.
    """
    if form[:1] == _WHOLE:
        return unpack(serde, form[1:])
    return [unpack(serde, parts[digest]) for digest in elements_of(form, parts)]


def elements_of(form: bytes, parts: Mapping[bytes, bytes]) -> list[bytes]:
    """
    Return the digests of the elements of a form; none if it is whole.
    """
    digests = named(form)
    if form[:1] != _NODES:
        return digests
    return [each for node in digests for each in _digests(parts[node])]


def named(form: bytes) -> list[bytes]:
    """
    Return the digests of the parts that a form itself names.
    """
    return [] if form[:1] == _WHOLE else _digests(form[1:])


def named_nodes(form: bytes) -> list[bytes]:
    """
    Return the digests of the nodes that a form names, which name parts in turn.
    """
    return _digests(form[1:]) if form[:1] == _NODES else []


def named_by_node(content: bytes) -> list[bytes]:
    """
    Return the digests of the elements that a node names.
    """
    return _digests(content)


def pack(serde: SerializerProtocol, value: object) -> bytes:
    """
    Return a value's bytes behind the name of their type.
    """
    kind, content = serde.dumps_typed(value)
    return kind.encode() + b"\0" + content


def unpack(serde: SerializerProtocol, packed: bytes) -> Any:
    """
    Return the value of what :func:`pack` made.
    """
    kind, _, content = packed.partition(b"\0")
    return serde.loads_typed((kind.decode(), content))


def is_list(value: object) -> bool:
    """
    Return whether a value is a list, and of no class of its own.
    """
    return type(value) is list


def is_messages(value: object) -> bool:
    """
    Return whether a value is a list of LangChain's messages, at least one.
    """
    if not is_list(value) or not value:
        return False
    elements = cast("list[object]", value)
    return all(isinstance(each, BaseMessage) for each in elements)


def _contents(
    serde: SerializerProtocol, elements: Sequence[object]
) -> list[bytes] | None:
    if not is_messages(elements) and (
        len(elements) < _MIN_ELEMENTS
        # Of numbers there may be very many, and none is worth a digest.
        or isinstance(elements[0], int | float | None)
    ):
        return None
    contents = [pack(serde, each) for each in elements]
    is_worth_it = sum(map(len, contents)) >= _MIN_ELEMENT_BYTES * len(contents)
    return contents if is_worth_it else None


def _listed(contents: Sequence[bytes]) -> Encoded:
    elements = [_digest(content) for content in contents]
    parts = dict(zip(elements, contents, strict=True))
    form = _LIST + b"".join(elements)
    if len(form) <= MAX_INLINE:
        return Encoded(form, parts, elements)
    nodes: list[bytes] = []
    for chunk in _chunks(elements):
        content = b"".join(chunk)
        nodes.append(_digest(content))
        parts[nodes[-1]] = content
    return Encoded(_NODES + b"".join(nodes), parts, elements)


def _chunks(digests: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(digests), _DIGESTS_PER_NODE):
        yield digests[start : start + _DIGESTS_PER_NODE]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


def _digests(joined: bytes) -> list[bytes]:
    starts: Iterable[int] = range(0, len(joined), _DIGEST)
    return [joined[start : start + _DIGEST] for start in starts]
