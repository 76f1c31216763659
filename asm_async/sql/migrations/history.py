"""
The revisions that this package ships, and their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs

from asm_async.errors import MigrationRequiredError, ValidationError

HEAD = "0001"
"""
The revision that this version of the package works on.
"""

BASE = "base"
"""
What Alembic calls a database without any revision.
"""

DIRECTORY = Path(__file__).parent
"""
Where the revisions lie, in ``versions``.
"""

RunScript: TypeAlias = Callable[[str, str], None]
"""
Runs the script of a name and a direction that is written for the database at hand.
"""


@attrs.frozen(kw_only=True)
class Revision:
    """
    One step from a schema to the next.
    """

    id: str

    builds_on: str | None
    """
    The revision before it; None for the first.
    """

    directory: Path
    """
    Where its scripts lie.
    """

    upgrade: Callable[[RunScript], None]

    downgrade: Callable[[RunScript], None]


@attrs.frozen
class History:
    """
    The revisions, oldest first.
    """

    revisions: Sequence[Revision]

    @classmethod
    def load(cls) -> History:
        """
        Let Alembic find the revisions and put them in order.
        """
        # Importing Alembic takes a fifth of a second. A store that opens on the right
        # schema does not come here.
        from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

        revisions = [
            Revision(
                id=script.revision,
                builds_on=script.module.down_revision,
                directory=Path(script.path).parent,
                upgrade=script.module.upgrade,
                downgrade=script.module.downgrade,
            )
            for script in ScriptDirectory(DIRECTORY).walk_revisions()
        ]
        return cls(revisions[::-1])

    def path_up(self, found: str | None, target: str) -> Sequence[Revision]:
        """
        List what is to be done to bring a database at *found* up to *target*.

        Nothing is, where it stands there or further up.
        """
        return self.revisions[self._count_done(found) : self._count_wanted(target)]

    def path_down(self, found: str | None, target: str) -> Sequence[Revision]:
        """
        List what is to be undone, latest first, to bring it down to *target*.
        """
        undone = self.revisions[self._count_wanted(target) : self._count_done(found)]
        return undone[::-1]

    def _ids(self) -> list[str]:
        return [revision.id for revision in self.revisions]

    def _count_done(self, found: str | None) -> int:
        if found in {None, BASE}:
            return 0
        if found not in self._ids():
            raise MigrationRequiredError(
                f"the database is at revision {found}, which this version of asm_async"
                f" does not know (it works on {HEAD}): use the version that migrated it"
            )
        return self._ids().index(found) + 1

    def _count_wanted(self, target: str) -> int:
        counts = {BASE: 0}
        counts |= {name: count for count, name in enumerate(self._ids(), start=1)}
        counts["head"] = len(self.revisions)
        if target not in counts:
            names = ", ".join(counts)
            raise ValidationError(f"revision: {target!r} is none of {names}")
        return counts[target]
