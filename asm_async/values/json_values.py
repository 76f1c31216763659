"""
What counts as JSON here, and the one text in which it is stored.
"""

from __future__ import annotations

import gc
import json
import math
import re
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, TypeAlias, cast

from asm_async.errors import ValidationError
from asm_async.values.json_depth import depth_of
from asm_async.values.not_json import OR_DEFAULT, kind_of, remedy_for, type_name

MAX_DEPTH = 200
"""
How many objects and arrays may be nested; the outermost counts as one.
"""

MAX_INTEGER_DIGITS = 4_300
"""
CPython's default limit of integer string conversion (``sys.set_int_max_str_digits``):
an integer of more digits can neither be written as text nor read back.
"""

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder()
_LONGEST_KEY = 255
_LONG_TEXT = 1 << 16
_NESTED = frozenset({dict, list})
_SCALARS = (str, int, type(None))
# To a checker, the type of what may be anything is unknown.
_type_of: Callable[[object], type[object]] = type
_INTEGER_BOUND = 10**MAX_INTEGER_DIGITS
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class EncodedJSON(str):
    """
    JSON as the text in which it is stored, in place of what it stands for.

    Values that only pass through a program hold it: to decode JSON and encode it again
    takes a hundred times as long as all the rest, and up to twenty times its memory.
    What is normalised or encoded may be one, and is left as it is.
    """

    __slots__ = ()


Default: TypeAlias = Callable[[Any], Any]
"""
Makes a JSON value of what is none, or raises ``TypeError``: as for ``json.dumps``.
"""


def _parts_encoder() -> Callable[[object, int], Iterable[str]] | None:
    """
    Make once what ``JSONEncoder.encode`` makes again for each value, in C.

    Making it takes as long as encoding a whole event. It is not in the documentation of
    ``json``, so it may not be there.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return None
    escape = json.encoder.encode_basestring_ascii
    options = (None, ":", ",", False, False, _ENCODER.allow_nan)
    return cast(
        "Callable[[object, int], Iterable[str]]",
        make(None, _ENCODER.default, escape, *options),
    )


_ENCODE_PARTS = _parts_encoder()


def encode_json(value: object) -> str:
    """
    Encode *value*, already normalised, as the ASCII text in which it is stored.

    Two values have the same content if and only if their texts are equal; so ``1``,
    ``1.0`` and ``true`` differ, and so do objects whose keys are in another order.
    """
    if value == {}:
        return "{}"
    if type(value) is EncodedJSON:
        return value
    if _ENCODE_PARTS is None:
        return _ENCODER.encode(value)
    return "".join(_ENCODE_PARTS(value, 0))


def decode_json(text: str) -> Any:
    """
    Decode what :func:`encode_json` made.
    """
    # Most metadata is empty. The text starts with its value, so that the search for
    # leading white space, which costs as much as the rest, can be left out.
    if text == "{}":
        return {}
    if len(text) < _LONG_TEXT:
        return _DECODER.raw_decode(text)[0]
    with without_collection():
        return _DECODER.raw_decode(text)[0]


def decoded(value: Any) -> Any:
    """
    Decode *value* if it is the text of JSON, and return it as it is otherwise.
    """
    return decode_json(value) if type(value) is EncodedJSON else value


@contextmanager
def without_collection() -> Generator[None]:
    """
    Keep the garbage collector from running while a long JSON text is decoded.

    What is decoded has no cycles. Where it has very many arrays, the collector would go
    through all of them again and again, which takes ten times as long as decoding.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def normalise_json_object(
    value: object, path: str, default: Default | None = None
) -> JSONObject:
    """
    Copy *value*, which must be a JSON object, in plain built-in types.

    Raises:
        ValidationError: Naming the *path* of whatever is not JSON.
    """
    # Most are flat, and a new event has two to be copied.
    if (flat := _copy_flat(value)) is not None:
        return flat
    if type(value) is EncodedJSON and value.startswith("{"):
        return cast("JSONObject", value)
    if not _is_mapping(value):
        kind = kind_of(decoded(value))
        raise ValidationError(f"{path}: expected a JSON object, got {kind}")
    copy: JSONObject = normalise_json(value, path, default)
    return copy


def copy_and_encode(value: object, path: str) -> tuple[JSONObject, str]:
    """
    Copy *value*, which must be a JSON object, and encode it as it is stored.

    Raises:
        ValidationError: As :func:`normalise_json_object` does.
    """
    if (flat := _copy_flat(value)) is not None:
        return flat, encode_json(flat)
    if type(value) is EncodedJSON:
        return normalise_json_object(value, path), value
    copied = _copy_by_encoding(value)
    if copied is not None and copied[1].startswith("{"):
        return copied
    walked = normalise_json_object(value, path)
    return walked, encode_json(walked)


def _is_mapping(value: object) -> bool:
    # To ask an abstract class takes long, and nearly all are plain.
    return type(value) is dict or isinstance(value, Mapping)


def normalise_json(value: object, path: str, default: Default | None = None) -> Any:
    """
    Copy *value* in plain built-in types: what would come back from a store.

    Tuples become lists; subclasses of str, int, float, list and dict, enums among them,
    become plain ones; surrogates that form a pair become the character that they
    encode, as any JSON parser would read them. Lone surrogates and NULs are kept.

    Args:
        value: Any JSON value, up to 200 levels deep.

        path: The place of *value*, such as ``data``; the start of each culprit's path.

        default: Called for what is no JSON value, or no key; what it returns is
            normalised in its place.

    Raises:
        ValidationError: If something is not JSON (RFC 8259: NaN, infinities, bytes, a
            key that is not a string), an integer has more than 4,300 digits, or the
            nesting is too deep (or endless); the message names its path.
    """
    if (flat := _copy_flat(value)) is not None:
        return flat
    if type(value) is EncodedJSON:
        return value
    if (copied := _copy_by_encoding(value)) is not None:
        return copied[0]
    try:
        return _Walk(default).normalise(value, 0)
    except _Culprit as culprit:
        steps = "".join(reversed(culprit.steps))
        error = ValidationError(f"{path}{steps}: {culprit.reason}")
        raise error from culprit.__cause__


JSONObject: TypeAlias = Annotated[dict[str, Any], normalise_json_object]
JSONValue: TypeAlias = Annotated[Any, normalise_json]


def _copy_flat(value: Any) -> JSONObject | None:
    """
    Copy an object that holds nothing but plain scalars; None for all else.
    """
    if _type_of(value) is not dict:
        return None
    for key, member in value.items():
        kind = _type_of(member)
        is_plain = (
            member is None
            or kind is bool
            or (kind is str and (member.isascii() or _is_whole(member)))
            or (kind is int and -_INTEGER_BOUND < member < _INTEGER_BOUND)
            or (kind is float and -math.inf < member < math.inf)
        )
        if not is_plain or type(key) is not str:
            return None
        if not (key.isascii() or _is_whole(key)):
            return None
    copy: JSONObject = value.copy()
    return copy


def _copy_by_encoding(value: object) -> tuple[Any, str] | None:
    """
    Copy an object or array in C, which the walk below would take twice as long for.

    What is decoded has plain types alone. Where it equals the original, the walk would
    have come to the same: keys that are no strings, tuples and pairs of surrogates do
    not equal what is decoded in their place.

    Returns:
        The copy and the text that it was decoded from; None if only the walk can tell,
        or *value* is a scalar.
    """
    if type(value) not in _NESTED:
        return None
    try:
        text = encode_json(value)
        copy = decode_json(text)
        is_same = bool(copy == value)
    except (TypeError, ValueError, RecursionError):
        return None
    if not is_same or is_too_deep(text) or may_hold_long_integers(text):
        return None
    return copy, text


def is_too_deep(text: str) -> bool:
    """
    Return whether what a JSON text stands for is nested too deeply.
    """
    return text.count("[") + text.count("{") > MAX_DEPTH < depth_of(text)


def may_hold_long_integers(text: str) -> bool:
    """
    Return whether one of its integers may have more digits than are allowed.
    """
    # Python refuses to encode them, unless it was told to allow more digits.
    if len(text) <= MAX_INTEGER_DIGITS:
        return False
    return not 0 < sys.get_int_max_str_digits() <= MAX_INTEGER_DIGITS


class _Culprit(Exception):  # noqa: N818 - never leaves this module
    """
    Something is not JSON; each level it rises through adds its step to the path.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []


class _Walk:
    """
    Copies a value one member after the other.
    """

    def __init__(self, default: Default | None) -> None:
        self.default = default

    def normalise(self, value: object, depth: int) -> Any:
        if isinstance(value, float) and math.isfinite(value):
            return float.__float__(value)
        if not isinstance(value, _SCALARS):
            return self._normalise_other(value, depth)
        if isinstance(value, str):
            return _join_surrogates(value if type(value) is str else str.__str__(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return _plain_integer(int.__int__(value))
        return value

    def _normalise_other(self, value: object, depth: int) -> Any:
        if _is_mapping(value):
            members = cast("Mapping[object, object]", value)
            return self._plain_object(members, depth + 1)
        if isinstance(value, list | tuple):
            return self._plain_array(cast("list[object]", value), depth + 1)
        subject = repr(value) if isinstance(value, float) else kind_of(value)
        if self.default is None:
            raise _Culprit(f"{subject} is not JSON{remedy_for(value)}")
        # One that always returns what is no JSON value either ends at the depth.
        _check_depth(depth + 1)
        made = self._by_default(self.default, value, f"{subject} is not JSON")
        return self.normalise(made, depth + 1)

    def _by_default(self, default: Default, value: object, reason: str) -> object:
        try:
            return default(value)
        except TypeError as error:
            raise _Culprit(f"{reason}, and default refused it") from error

    def _plain_object(self, value: Mapping[object, object], depth: int) -> JSONObject:
        _check_depth(depth)
        plain: JSONObject = {}
        for key, member in value.items():
            name = _join_surrogates(self._plain_key(key))
            if name in plain:
                raise _Culprit(f"the key {_shown(name)} appears twice")
            try:
                plain[name] = self.normalise(member, depth)
            except _Culprit as culprit:
                culprit.steps.append(step_to(name))
                raise
        return plain

    def _plain_key(self, key: object) -> str:
        if type(key) is str:
            return key
        reason = f"a key of type {type_name(key)} is not a string"
        if self.default is not None and not isinstance(key, str):
            key = self._by_default(self.default, key, reason)
        if not isinstance(key, str):
            raise _Culprit(f"{reason}; convert it{OR_DEFAULT}")
        return str.__str__(key)

    def _plain_array(self, value: list[object], depth: int) -> list[Any]:
        _check_depth(depth)
        plain: list[Any] = []
        for index, member in enumerate(value):
            try:
                plain.append(self.normalise(member, depth))
            except _Culprit as culprit:
                culprit.steps.append(f"[{index}]")
                raise
        return plain


def step_to(key: str) -> str:
    """
    Write the step of a path that leads to a member of an object.
    """
    return f"[{_shown(key)}]"


def _shown(key: str) -> str:
    return ascii(key) if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]!a}..."


def _plain_integer(value: int) -> int:
    if not -_INTEGER_BOUND < value < _INTEGER_BOUND:
        raise _Culprit(f"the integer has more than {MAX_INTEGER_DIGITS} digits")
    return value


def _is_whole(text: str) -> bool:
    return text.isascii() or _SURROGATE_PAIR.search(text) is None


def _join_surrogates(text: str) -> str:
    if _is_whole(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Culprit(f"nested more than {MAX_DEPTH} levels deep")
