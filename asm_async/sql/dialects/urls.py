"""
The parts of a database URL, and how its parameters are read.

A part of what cannot be understood may be a part of the password, so that nothing is
repeated from where one could stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import unquote

import attrs
import sqlalchemy as sa

from asm_async.errors import ValidationError
from asm_async.values import fields

Reader: TypeAlias = Callable[[str, str], object]
"""
Reads the text of a parameter, whose name is for the complaint.
"""

# Digits behind a colon are a port, unless only an @ ends them: what follows them may
# hold an @ of its own, such as the value of a parameter.
_URL = re.compile(
    r"""
    (?P<driver>\w+(?:\+\w+)?)://
    (?:(?P<user>[^:/?]*)(?::(?P<password>(?!\d{1,5}[/?])[^@]*))?@)?
    (?P<hosts>[^/?]*)
    (?:/(?P<database>[^?]*))?
    (?:\?(?P<query>.*))?
    """,
    re.VERBOSE | re.DOTALL,
)

_BLANKS = " \t\r\n"
_CONTROL_CHARACTER = re.compile("[\0-\x1f\x7f]")
_UNFIT = re.compile("[\0\ud800-\udfff]")

_MAX_DIGITS = 9


@attrs.frozen(kw_only=True)
class URLParts:
    """
    What a database URL says.
    """

    driver: str
    user: str | None
    password: str | None = attrs.field(repr=False)

    hosts: str
    """
    Hosts and ports as they stand there, still with %-codes.
    """

    database: str | None

    query: Sequence[tuple[str, str]]
    """
    Names and values of parameters, in their order.
    """

    has_stray_at: bool
    """
    Whether an @ stands behind the hosts' beginning, which it should have ended.
    """

    def parameters(self, *, besides: Collection[str] = ()) -> Mapping[str, str]:
        """
        Return the values of all parameters *besides* these.

        Raises:
            ValidationError: If a parameter has no value, or stands twice.
        """
        given: dict[str, str] = {}
        for name, value in self.query:
            if name in besides:
                continue
            if not name.strip() or not value.strip():
                raise ValidationError(
                    f"url: the parameter {name!a} has no value: leave it out, or give"
                    " it one; write a ? or & in a name as %3F or %26"
                )
            if name in given:
                raise ValidationError(f"url: {name}: it is given twice")
            given[name] = value
        return given


def split_url(url: object) -> URLParts:
    """
    Take a URL apart; blanks and line ends around it are none of its own.

    Raises:
        ValidationError: If it is none.
    """
    if isinstance(url, sa.URL):
        parts = _parts_of(url)
    elif isinstance(url, str):
        parts = _parts_in(url.strip(_BLANKS))
    else:
        raise _no_url()
    _check_texts(parts)
    return parts


def _no_url() -> ValidationError:
    # The text may hold a password, so it is not repeated.
    return ValidationError("url: this is not a database URL")


def _parts_of(url: sa.URL) -> URLParts:
    host = url.host or ""
    # SQLAlchemy leaves out the brackets that it found.
    hosts = f"[{host}]" if ":" in host else host
    return URLParts(
        driver=url.drivername,
        user=url.username,
        password=url.password,
        hosts=hosts if url.port is None else f"{hosts}:{url.port}",
        database=url.database,
        query=[
            (name, value)
            for name, values in url.query.items()
            for value in ([values] if isinstance(values, str) else values)
        ],
        has_stray_at="@" in host,
    )


def _parts_in(text: str) -> URLParts:
    found = _URL.fullmatch(text)
    if found is None:
        raise _no_url()
    if _CONTROL_CHARACTER.search(text):
        raise ValidationError(
            "url: it holds a line end, a NUL or another control character"
        )
    behind = (found["hosts"], found["database"] or "", found["query"] or "")
    query = found["query"]
    pairs = [] if query is None else [_pair(piece) for piece in query.split("&")]
    return URLParts(
        driver=found["driver"].lower(),
        user=_decoded("user", found["user"]),
        password=_decoded("password", found["password"]),
        hosts=found["hosts"],
        database=_decoded("database", found["database"]),
        query=pairs,
        has_stray_at="@" in "".join(behind),
    )


def _pair(piece: str) -> tuple[str, str]:
    name, _, value = (_decoded("query", part) for part in _plain(piece).partition("="))
    return name or "", value or ""


def _plain(piece: str) -> str:
    return piece.replace("+", " ")


def _decoded(part: str, text: str | None) -> str | None:
    try:
        return None if text is None else unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValidationError(f"url: the %-codes of the {part} are not UTF-8") from None


def _check_texts(parts: URLParts) -> None:
    texts = {
        "user": parts.user,
        "password": parts.password,
        "host": parts.hosts,
        "database": parts.database,
        **{f"parameter {name!a}": name + value for name, value in parts.query},
    }
    for name, text in texts.items():
        # Not repeated, since it may be the password.
        if _UNFIT.search(text or ""):
            raise ValidationError(f"url: the {name} holds a NUL or a lone surrogate")


def unknown_parameter(name: str, known: Iterable[str]) -> ValidationError:
    """
    Return the complaint about a parameter that the driver has not.
    """
    return ValidationError(
        f"url: this driver has no parameter {name!a}; it has {', '.join(known)}"
    )


def whole_number(text: str, name: str) -> int:
    """
    Read a number without sign or fraction.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ValidationError(f"{name}: {text!a} is not a whole number")
    return int(text)


def seconds(text: str, name: str) -> float:
    """
    Read a time in seconds, above 0.
    """
    try:
        read = fields.amount(float(text), name)
    except ValueError:
        read = 0
    if not read:
        raise ValidationError(f"{name}: {text!a} is not a time in seconds")
    return read
