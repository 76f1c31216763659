"""
Text for a terminal: nothing that was stored controls it, and no password is shown.
"""

from __future__ import annotations

import re
import unicodedata

# All of a word before its last @, since nobody knows where in it a password begins;
# behind a scheme, where it may have blanks, all before the last @ that there is.
_PASSWORD = re.compile(
    r"(?P<scheme>\w+://).*@|\S*@"
    # One that a blank has cut off: what stands there is no port.
    r"|(?P<name>\w*password=|\w+://[^\s/@:]*:(?!\d+\b))[^&\s]*",
    re.IGNORECASE,
)

# Control characters, lone surrogates, separators of lines, and format characters, which
# reorder what stands around them or show nothing at all.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# The joiners of emoji and of several scripts are format characters too.
_HARMLESS = frozenset("\n\t\u200c\u200d")


def visible(text: str) -> str:
    """
    Return *text* with escapes for what would control a terminal; its lines stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text.replace("\r\n", "\n")))


def on_one_line(text: str) -> str:
    """
    Put *text* on one line, with escapes for what would control a terminal.
    """
    return visible(" ".join(text.split()))


def presentable(message: str) -> str:
    """
    Put *message* on one line and leave out the passwords of URLs in it.
    """
    return _PASSWORD.sub(_hide, on_one_line(message))


def counted(count: int, noun: str) -> str:
    """
    Return a number and its noun, which has an s behind it unless there is one.
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _shown(char: str) -> str:
    if char in _HARMLESS or unicodedata.category(char) not in _UNSAFE:
        return char
    return char.encode("unicode_escape").decode()


def _hide(found: re.Match[str]) -> str:
    name = found["name"]
    return f"{found['scheme'] or ''}***@" if name is None else f"{name}***"
