"""
What a write expects of what is stored, and by what it is known when it comes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, TypeAlias

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.fields import Count, Text
from asm_async.values.ids import new_operation_id
from asm_async.values.session import Session
from asm_async.values.state_item import item_name
from asm_async.values.value import Value


def checked_tenant(expected_tenant: object) -> str | None:
    """
    Refuse what is neither None nor the id of a tenant.
    """
    return fields.optional(expected_tenant, "expected_tenant", fields.text)


def _run_or_item(value: object, name: str) -> str | tuple[str, str]:
    return (
        fields.text(value, name) if isinstance(value, str) else item_name(value, name)
    )


_RunOrItem: TypeAlias = Annotated[str | tuple[str, str], _run_or_item]


@attrs.frozen(kw_only=True)
class Expectations(Value):
    """
    The expectations of one commit; None stands for any.

    Raises:
        ValidationError: Naming the expectation that is wrong.
    """

    expected_revision: Count | None = None
    """
    That of the session.
    """

    expected_revisions: Mapping[_RunOrItem, Count] = MappingProxyType({})
    """
    Those of runs, by id, and of state items, by scope and key.
    """

    expected_sequence: Count | None = None
    expected_tenant: Text | None = None
    operation_id: Text | None = None
    """
    The id of the call; one of its own unless it was given.
    """

    @property
    def of_runs(self) -> dict[str, int]:
        """
        The expected revisions of runs, by id.
        """
        given = self.expected_revisions.items()
        return {key: number for key, number in given if isinstance(key, str)}

    @property
    def of_items(self) -> dict[tuple[str, str], int]:
        """
        The expected revisions of state items, by scope and key.
        """
        given = self.expected_revisions.items()
        return {key: number for key, number in given if not isinstance(key, str)}

    def check_session(self, session: Session, name: str) -> None:
        """
        Refuse a *session* that would not be the expected tenant's.
        """
        if self.expected_tenant not in {None, session.tenant_id}:
            raise ValidationError(
                f"{name}.tenant_id: expected {self.expected_tenant!r}, the"
                f" expected_tenant, got {session.tenant_id!r}"
            )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.operation_id is None:
            object.__setattr__(self, "operation_id", new_operation_id())
