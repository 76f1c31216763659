"""
The kinds of sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.importer import Importer


@attrs.frozen
class Kind:
    """
    A kind of source; its importer is imported when it is used.
    """

    name: str
    """
    What it is called on the command line.
    """

    purpose: str
    """
    What is imported, in a few words.
    """

    importer: str
    """
    The class, as ``module:Class`` below this package.
    """

    def load(self) -> Importer:
        """
        Import the class, and make an importer.
        """
        module, _, name = self.importer.partition(":")
        made: Importer = getattr(import_module(f"asm_async.importers.{module}"), name)()
        return made


def _by_name(*kinds: Kind) -> Mapping[str, Kind]:
    return MappingProxyType({kind.name: kind for kind in kinds})


KINDS: Mapping[str, Kind] = _by_name(
    Kind(
        "claude-code",
        "session files of Claude Code: a file, or a folder such as ~/.claude/projects",
        "claude_code:ClaudeCodeImporter",
    ),
    Kind(
        "codex",
        "rollouts of Codex: a file, or a folder such as ~/.codex/sessions",
        "codex:CodexImporter",
    ),
    Kind(
        "chatgpt",
        "data exports of ChatGPT: the archive, its folder, or conversations.json",
        "chatgpt:ChatGPTImporter",
    ),
    Kind(
        "claude",
        "data exports of Claude: the archive, its folder, or conversations.json",
        "claude_export:ClaudeExportImporter",
    ),
    Kind(
        "openai-messages",
        "lists of messages in OpenAI's forms: JSON or JSON Lines, a file or a folder",
        "message_lists:MessageListImporter",
    ),
    Kind(
        "google-adk",
        "the database of Google ADK's DatabaseSessionService: a file or a URL",
        "google_adk:GoogleADKImporter",
    ),
    Kind(
        "langgraph",
        "the database of LangGraph's SQLite or PostgreSQL saver: a file or a URL",
        "langgraph:LangGraphImporter",
    ),
    Kind(
        "openai-agents",
        "the database of the OpenAI Agents SDK's sessions: a file or a URL",
        "openai_agents:OpenAIAgentsImporter",
    ),
)
"""
The kinds of sources that there are, by name.
"""


def kind_named(name: str) -> Kind:
    """
    Return the kind of this name.

    Raises:
        ValidationError: If there is none.
    """
    if name not in KINDS:
        names = ", ".join([*sorted(KINDS), "auto"])
        raise ValidationError(f"kind: {name!r} is none of {names}")
    return KINDS[name]
