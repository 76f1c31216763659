"""
Values that a store keeps, made and copied without another look at what is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self, cast

import attrs

from asm_async.values.json_values import encode_json, step_to
from asm_async.values.plain_value import PlainValue
from asm_async.values.value import schema_of


class StoredValue(PlainValue):
    """
    A value that a store keeps; its fields are named once, by its class.

    The functions that touch every field are written out for each class when it is made,
    as attrs writes constructors. A loop over the names, past the guard of a frozen
    class, takes eight times as long, and one read may make ten thousand values.
    """

    __slots__ = ()

    _GIVEN_BY_STORE: ClassVar[tuple[str, ...]]
    """
    The fields that the store alone gives, which do not count as content.
    """

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        # An object may take another class of the same layout: of the same bases and
        # slots, a slot for weak references not among them.
        slots = {"__slots__": cls.__slots__}
        opened = type(f"_Open{cls.__name__}", cls.__bases__, slots)
        attributes = schema_of(cls).attributes
        names = [field.name for field in attributes]
        namespace: dict[str, Any] = {"Open": opened, "NOTHING": attrs.NOTHING}
        source = f"""
def from_stored(cls, values):
 value = Open()
 {"".join(f"value.{name}, " for name in names)} = values
 value.__class__ = cls
 return value
def opened(self):
 value = Open()
 {"; ".join(f"value.{name} = self.{name}" for name in names)}
 return value
def init(self, *, {", ".join(_parameter(field, namespace) for field in attributes)}):
 {"; ".join(_setting(field, cls, namespace) for field in attributes)}
"""
        exec(source, namespace)  # noqa: S102 - made of the names of fields alone
        namespace["init"].__annotations__ = cls.__init__.__annotations__
        type.__setattr__(cls, "__init__", namespace["init"])
        type.__setattr__(cls, "from_stored", classmethod(namespace["from_stored"]))
        type.__setattr__(cls, "_opened", namespace["opened"])

    @classmethod
    def from_stored(cls, values: Iterable[Any]) -> Self:
        """
        Make a value of what a store holds: all fields, in the order of the class.

        Nothing is checked or copied, since it was when the value was first made: for
        adapters, which read many.

        Raises:
            ValueError: If there are more values than fields, or fewer.
        """
        raise NotImplementedError

    def _opened(self) -> Any:
        """
        Return a copy whose fields can be set until it is given this class.
        """
        raise NotImplementedError

    def with_given(self, *given: Any) -> Self:
        """
        Return the value with what the store alone gives; the JSON is the same object.

        Args:
            given: The first of those fields, or the first ones.
        """
        value = self._opened()
        for name, member in zip(self._GIVEN_BY_STORE, given, strict=False):
            setattr(value, name, member)
        value.__class__ = type(self)
        return cast("Self", value)

    def with_unchecked(self, members: Mapping[str, Any]) -> Self:
        """
        Return the value with other *members*, neither checked nor copied.
        """
        value = self._opened()
        for name, member in members.items():
            setattr(value, name, member)
        value.__class__ = type(self)
        return cast("Self", value)

    def has_same_content(self, other: StoredValue) -> bool:
        """
        Return whether both are the same but for what the store gives, as stored.
        """
        return self._content() == other._content()

    def differing_field(self, other: StoredValue) -> str:
        """
        Return the first field in which the content differs; nothing if it is the same.

        Of JSON the path to what differs follows, such as ``data['a'][0]``.
        """
        plain, others = self.to_dict(), other.to_dict()
        for name, value in plain.items():
            path = _path_to_difference(value, others[name])
            if path is not None and name not in self._GIVEN_BY_STORE:
                return f"{name}{path}"
        return ""

    def _content(self) -> tuple[str, ...]:
        # Both are normal already: what to_dict() checks takes five times as long.
        return tuple(
            _text_of(getattr(self, name))
            for name in schema_of(type(self)).rules
            if name not in self._GIVEN_BY_STORE
        )


def _text_of(member: object) -> str:
    if isinstance(member, datetime):
        member = member.isoformat(timespec="microseconds")
    return encode_json(member)


def _path_to_difference(one: object, other: object) -> str | None:
    """
    Return the path to the first place where two JSON values differ as they are stored.

    Returns:
        The steps to it, such as ``['a'][0]``; nothing where they differ as a whole or
        in the order of their keys; None if they are the same.
    """
    both: tuple[object, object] = one, other
    if isinstance(one, dict) and isinstance(other, dict):
        return _path_in_objects(
            cast("dict[str, object]", one), cast("dict[str, object]", other)
        )
    if isinstance(one, list) and isinstance(other, list):
        items, others = cast("list[object]", one), cast("list[object]", other)
        for index, pair in enumerate(zip(items, others, strict=False)):
            if (path := _path_to_difference(*pair)) is not None:
                return f"[{index}]{path}"
        shorter = min(len(items), len(others))
        return None if len(items) == len(others) else f"[{shorter}]"
    return None if encode_json(both[0]) == encode_json(both[1]) else ""


def _path_in_objects(one: dict[str, object], other: dict[str, object]) -> str | None:
    for key in dict.fromkeys([*one, *other]):
        if key not in one or key not in other:
            return step_to(key)
        if (path := _path_to_difference(one[key], other[key])) is not None:
            return f"{step_to(key)}{path}"
    return None if [*one] == [*other] else ""


def _parameter(field: attrs.Attribute[Any], namespace: dict[str, Any]) -> str:
    if field.default is attrs.NOTHING:
        return field.name
    if hasattr(field.default, "factory"):
        return f"{field.name}=NOTHING"
    namespace[f"default_{field.name}"] = field.default
    return f"{field.name}=default_{field.name}"


def _setting(
    field: attrs.Attribute[Any], cls: type[StoredValue], namespace: dict[str, Any]
) -> str:
    name, default = field.name, field.default
    namespace[f"set_{name}"] = getattr(cls, name).__set__
    namespace[f"rule_{name}"] = schema_of(cls).rules[name]
    normal = f"rule_{name}({name}, '{name}')"
    if factory := getattr(default, "factory", None):
        namespace[f"make_{name}"] = factory
        normal = f"make_{name}() if {name} is NOTHING else {normal}"
    elif default is not attrs.NOTHING:
        # A default is in its normal form.
        normal = f"{name} if {name} is default_{name} else {normal}"
    return f"set_{name}(self, {normal})"
