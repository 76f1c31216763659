"""
Values that check themselves: each field's rule stands in its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

import attrs

from asm_async.values import fields


class Value:
    """
    A frozen value whose fields are brought into their normal form when it is made.

    What a field obeys is said by its type: ``Annotated[int, rule]`` is brought into
    form by *rule*, an enumeration takes its members and their values, another class its
    instances; optional fields, tuples and mappings obey the rules of what they hold.

    Raises:
        ValidationError: The message starts with the name of the field that is wrong.
    """

    __slots__ = ()

    def __attrs_post_init__(self) -> None:
        """
        Apply the rules; a subclass that checks more calls this first.
        """
        for name, rule, default in schema_of(type(self)).checks:
            given = getattr(self, name)
            # A filter is mostly defaults, which are in their normal form.
            if given is not default:
                normal = rule(given, name)
                if normal is not given:
                    object.__setattr__(self, name, normal)


@attrs.frozen
class Schema:
    """
    What the fields of a class of values are, in the order of the class.
    """

    attributes: tuple[attrs.Attribute[Any], ...]
    """
    What attrs knows of them.
    """

    rules: fields.FieldRules
    """
    The rule that each obeys, by its name.
    """

    checks: tuple[tuple[str, fields.FieldRule, object], ...]
    """
    The name, the rule and the default of each.
    """

    required: frozenset[str]
    """
    The names of those that have no default.
    """

    times: frozenset[str]
    """
    The names of those that hold times.
    """


def schema_of(kind: type[Value]) -> Schema:
    """
    Return what the fields of *kind* are.
    """
    return _read_schema(cast("Any", kind))


# Read when a value is first made: most programs make few kinds of values.
@cache
def _read_schema(kind: Any) -> Schema:
    attributes: tuple[attrs.Attribute[Any], ...] = attrs.fields(kind)
    hints = get_type_hints(kind, include_extras=True)
    rules = {each.name: _rule_for(hints[each.name]) for each in attributes}
    return Schema(
        attributes=attributes,
        rules=rules,
        checks=tuple(
            (each.name, rules[each.name], cast("object", each.default))
            for each in attributes
        ),
        required=frozenset(
            each.name for each in attributes if each.default is attrs.NOTHING
        ),
        times=frozenset(
            name
            for name, rule in rules.items()
            if fields.utc_time in (rule, getattr(rule, "keywords", {}).get("rule"))
        ),
    )


def _rule_for(hint: Any) -> fields.FieldRule:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        # A type that is annotated again has the old annotation in front of the new.
        return cast("fields.FieldRule", hint.__metadata__[-1])
    if isinstance(hint, type) and hint is not Any:
        return _rule_for_class(cast("type[object]", hint))
    rules = [_rule_for(each) for each in arguments if each is not NoneType]
    if origin is Union or origin is UnionType:
        return partial(fields.optional, rule=rules[0])
    if origin is tuple:
        return partial(fields.tuple_of, rule=rules[0])
    if origin is Mapping:
        return partial(fields.mapping_of, key_rule=rules[0], rule=rules[1])
    return _anything


def _rule_for_class(kind: type[object]) -> fields.FieldRule:
    if kind is bool:
        return fields.boolean
    if issubclass(kind, StrEnum):
        return partial(fields.choice, kind=kind)
    return partial(fields.instance, kind=kind)


def _anything(value: object, _name: str) -> object:
    return value
