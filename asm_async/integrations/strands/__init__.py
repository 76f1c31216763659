"""
A storage for the agents of Strands (the extra ``strands``).

:class:`~asm_async.integrations.strands.storage.AsmStorage` keeps the snapshots of their
session managers, and whatever else Strands stores, in a database of ours; the messages
of a conversation become events of a session, which lists, transcripts and usage
summaries show.
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("strands") is None:
    raise MissingDependencyError("strands-agents", "strands")

from asm_async.integrations.strands.storage import AsmStorage

__all__ = ["AsmStorage"]
