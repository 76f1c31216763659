"""
The commands of ``asm``: their names and purposes; each is imported when it is run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from importlib.metadata import version
from inspect import cleandoc

import attrs
from cyclopts import App, Parameter


@attrs.frozen
class Command:
    """
    One command, or several that share a name.
    """

    name: str
    purpose: str
    function: str = ""
    commands: Sequence[Command] = ()

    def imported(self) -> Callable[..., int | None]:
        """
        Import the function that carries it out.
        """
        module, _, name = self.function.partition(":")
        function: Callable[..., int | None] = getattr(
            import_module(f"asm_async.cli.{module}"), name
        )
        return function


COMMANDS = (
    Command(
        "sessions", "List sessions, the latest active first.", "sessions:list_sessions"
    ),
    Command("show", "Print what was said and done in a session.", "show:show_session"),
    Command("tail", "Print events as they are appended.", "tail:follow_events"),
    Command(
        "search",
        "Find events, runs, sessions or text.",
        commands=(
            Command("events", "Find events of all sessions.", "search:search_events"),
            Command("runs", "Find runs of all sessions.", "search:search_runs"),
            Command("text", "Find what was said.", "text_search:search_text"),
            Command(
                "index",
                "Bring the index of what was said up to date.",
                "text_search:update_index",
            ),
            Command(
                "sessions",
                "Find sessions: the same as asm sessions.",
                "sessions:list_sessions",
            ),
        ),
    ),
    Command("usage", "Add up tokens and cost by model, user, day ...", "usage:add_up"),
    Command(
        "delete", "Delete sessions, softly or for good.", "deleting:delete_sessions"
    ),
    Command(
        "restore", "Undo the soft deletion of sessions.", "deleting:restore_sessions"
    ),
    Command(
        "erase", "Remove all sessions of a tenant or a user.", "erasing:erase_sessions"
    ),
    Command("prune", "Delete what is older or more than a limit.", "pruning:prune"),
    Command("recover", "End the runs whose process is gone.", "recovering:recover"),
    Command("export", "Write sessions to a file.", "exporting:export_sessions"),
    Command("import", "Store what an export holds.", "importing:import_sessions"),
    Command("health", "Look for what is wrong with a database.", "db:check_health"),
    Command(
        "db",
        "Make a database, or change its schema.",
        commands=(
            Command(
                "upgrade",
                "Make a database, or bring its schema up to date.",
                "db:upgrade",
            ),
            Command(
                "downgrade", "Bring the schema down to a revision.", "db:downgrade"
            ),
            Command("current", "Print the revision of the schema.", "db:current"),
            Command("sql", "Print the SQL of an upgrade.", "db:print_sql"),
        ),
    ),
    Command(
        "shards",
        "Divide sessions among several primaries.",
        commands=(
            Command("create", "Divide the shards among primaries.", "shards:create"),
            Command("list", "List which primary has which shards.", "shards:list_all"),
            Command("move", "Move a shard to another primary.", "shards:move"),
            Command("abandon", "Undo an interrupted move.", "shards:abandon"),
        ),
    ),
    Command(
        "keys",
        "Make keys of an encrypted database.",
        commands=(Command("new", "Print a new master key.", "keys:print_master_key"),),
    ),
    Command("console", "Serve the web console.", "console:serve_console"),
    Command(
        "completions",
        "Print what a shell needs to complete commands.",
        "completions:print_completions",
    ),
)
"""
What there is, in the order in which the help lists it.
"""


def build_app(arguments: Collection[str] = ()) -> App:
    """
    Make the program, in the order in which its help lists the commands.

    Only the commands that *arguments* may name are imported, so that help is quick.
    """
    app = App(
        name="asm",
        help="Look into a database of agent sessions, and keep it in order.",
        # Markdown would cost a third of the time that help takes.
        help_format="plaintext",
        version=lambda: version("asm_async"),
        default_parameter=Parameter(negative=()),
        # Ctrl-C is for `main` to see, which knows what to print.
        suppress_keyboard_interrupt=False,
    )
    _add(app, COMMANDS, frozenset(arguments))
    return app


def _add(app: App, commands: Sequence[Command], words: Collection[str]) -> None:
    for place, each in enumerate(commands):
        if each.commands:
            group = App(name=each.name, help=each.purpose, sort_key=place)
            _add(group, each.commands, words)
            app.command(group)
        elif each.name in words:
            function = each.imported()
            help_text = _paragraphs(function.__doc__ or "")
            app.command(function, name=each.name, help=help_text, sort_key=place)
        else:
            app.command(
                f"asm_async.cli.{each.function}",
                name=each.name,
                help=each.purpose,
                sort_key=place,
            )


def _paragraphs(docstring: str) -> str:
    """
    Return what stands before the arguments, with no line ends but between paragraphs.
    """
    text, *_ = cleandoc(docstring).partition("\nArgs:")
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
