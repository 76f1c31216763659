"""
The options that every command takes which works on a database.
"""

from __future__ import annotations

from typing import Annotated, Literal

import attrs
from cyclopts import Group, Parameter

URL_VARIABLE = "ASM_DATABASE_URL"
"""
The variable of the environment that names the database where --url does not.
"""

KEYS_VARIABLE = "ASM_KEYS"
"""
The variable that names the directory of data keys where --keys does not.
"""

MASTER_KEYS_FILE_VARIABLE = "ASM_MASTER_KEYS_FILE"
"""
The variable that names the file of the master keys.
"""

LARGE_DATA_VARIABLE = "ASM_LARGE_DATA"
"""
The variable that names the directory of large data where --large-data does not.
"""


@Parameter(name="*", group=Group("Common options", sort_key=100))
@attrs.frozen(kw_only=True)
class Options:
    """
    Which database, and how much is said, in which form.
    """

    url: Annotated[
        str | None,
        Parameter(
            env_var=URL_VARIABLE,
            help="The database: sqlite:///path, postgresql://user:password@host/name,"
            " or the path of an SQLite file.",
        ),
    ] = None

    keys: Annotated[
        str | None,
        Parameter(
            env_var=KEYS_VARIABLE,
            help="The directory of data keys of an encrypted database; the master keys"
            f" are in ${MASTER_KEYS_FILE_VARIABLE} or $ASM_MASTER_KEYS.",
        ),
    ] = None

    large_data: Annotated[
        str | None,
        Parameter(
            env_var=LARGE_DATA_VARIABLE,
            metavar="DIRECTORY",
            help="The directory of the LocalArtifactStore that has large data of"
            " events; with --keys it is encrypted.",
        ),
    ] = None

    timeout: Annotated[
        float,
        Parameter(
            help="How many seconds to try while the database is busy or out of reach."
        ),
    ] = 30.0

    as_json: Annotated[
        bool, Parameter(name="--json", help="Print JSON.", show_default=False)
    ] = False

    quiet: Annotated[
        bool,
        Parameter(
            alias="-q",
            help="Print no reports and no progress on standard error.",
            show_default=False,
        ),
    ] = False

    verbose: Annotated[
        int,
        Parameter(
            alias="-v",
            count=True,
            help="Also log what the library does; twice for more.",
            show_default=False,
        ),
    ] = 0

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        Parameter(help="The least that is logged, instead of -q and -v."),
    ] = None


DEFAULTS = Options()
"""
What holds where no option is given.
"""
