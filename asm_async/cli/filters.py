"""
The options that choose sessions.
"""

from __future__ import annotations

from typing import Annotated, Any

import attrs
from cyclopts import Group, Parameter

from asm_async.cli.times import Time
from asm_async.values.session import SessionStatus

OfAgent = Annotated[
    str | None, Parameter(name="--agent", help="Only sessions of this agent.")
]
OfTenant = Annotated[
    str | None, Parameter(name="--tenant", help="Only sessions of this tenant.")
]
OfUser = Annotated[
    str | None, Parameter(name="--user", help="Only sessions of this user.")
]


@Parameter(name="*", group=Group("Filters", sort_key=50))
@attrs.frozen(kw_only=True)
class SessionFilters:
    """
    Which sessions.
    """

    agent_id: OfAgent = None

    tenant_id: OfTenant = None

    user_id: OfUser = None

    status: Annotated[
        tuple[SessionStatus, ...],
        Parameter(
            help="Only sessions in this status; may be given more than once.",
            show_default=False,
        ),
    ] = ()

    provider: Annotated[
        str | None, Parameter(help="Only sessions with a run of this provider.")
    ] = None

    tags: Annotated[
        tuple[str, ...],
        Parameter(
            name="--tag",
            help="Only sessions with this tag, or with all that are given.",
            show_default=False,
        ),
    ] = ()

    parent_session_id: Annotated[
        str | None,
        Parameter(name="--parent", help="Only children and forks of this session."),
    ] = None

    created_after: Annotated[
        Time | None, Parameter(help="Only sessions created later.")
    ] = None

    created_before: Annotated[
        Time | None, Parameter(help="Only sessions created earlier.")
    ] = None

    include_deleted: Annotated[
        bool, Parameter(help="Also soft-deleted sessions.", show_default=False)
    ] = False

    def arguments(self) -> dict[str, Any]:
        """
        Return them as the arguments of a search.
        """
        return attrs.asdict(self, recurse=False) | {"status": self.status or None}


ALL_SESSIONS = SessionFilters()
"""
No filter.
"""
