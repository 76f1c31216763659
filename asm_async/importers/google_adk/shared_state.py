"""
The state that an app's sessions share, and a user's in the app.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from asm_async.importers.databases.source import Query, Source
from asm_async.importers.databases.values import json_members
from asm_async.importers.importer import ImportContext
from asm_async.importers.records import NotUnderstoodError, Place
from asm_async.importers.summary import ProblemCode
from asm_async.integrations.records.adk_names import SessionName


@attrs.define(eq=False)
class SharedState:
    """
    Reads shared state once for each app and each user, whose sessions come together.
    """

    context: ImportContext
    source: Source
    tables: Mapping[str, Sequence[str]]

    _last_app: str | None = None
    _last_user: tuple[str, str] | None = None

    async def of(self, name: SessionName) -> Mapping[str, Mapping[str, Any]]:
        """
        Return by scope the state that no session before this one has brought along.
        """
        found: dict[str, Mapping[str, Any]] = {}
        if name.app_name != self._last_app:
            self._last_app = name.app_name
            keys = {"app_name": name.app_name}
            found[name.app_scope] = await self._read("app_states", keys)
        user = (name.app_name, name.user_id)
        if user != self._last_user:
            self._last_user = user
            keys = {"app_name": name.app_name, "user_id": name.user_id}
            found[name.user_scope] = await self._read("user_states", keys)
        return found

    async def _read(self, table: str, keys: Mapping[str, str]) -> Mapping[str, Any]:
        if table not in self.tables:
            return {}
        query = Query(
            table=table, columns=["state", *keys], where=keys, order_by=tuple(keys)
        )
        row = await self.source.first(query)
        if row is None:
            return {}
        try:
            return json_members(row["state"], "state")
        except NotUnderstoodError as error:
            reason = f"row {tuple(keys.values())}: {error}"
            code = ProblemCode(error.code)
            self.context.tally.problem(Place(table, 0), code, reason)
            return {}
