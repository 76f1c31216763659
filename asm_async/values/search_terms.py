"""
The terms of a text: its words as they are compared, the same for every adapter.

A database is given terms that are made here, separated by spaces, so that what is found
does not depend on a tokenizer or a dictionary of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import TypeAlias

MAX_TEXT_LENGTH = 100_000
"""
How many characters of a text are looked at for terms; what is behind is not found.
"""

MAX_TERM_LENGTH = 64
"""
How many characters of a word are compared: longer ones are cut, also in queries.
"""

PlacedTerm: TypeAlias = tuple[str, int, int]
"""
A term, and where in the text its word begins and ends.
"""

_ASCII = 0x80
_ASCII_WORD = re.compile("[a-z0-9]+")

# Of bytes in ASCII: capitals made small, and all but letters and digits made spaces.
_PLAIN = bytes(
    ord(chr(code).lower()) if code < _ASCII and chr(code).isalnum() else ord(" ")
    for code in range(256)
)

# Scripts that are written without spaces between words, or whose words carry endings:
# Thai and Lao, Myanmar, Khmer, kana, Han, and Hangul.
_UNSPACED = (
    r"\u0e01-\u0e2e\u0e30-\u0e3a\u0e40-\u0e4e\u0e81-\u0eb9\u0ebb-\u0ecd\u0edc-\u0edf"
    r"\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
    r"\u3005-\u3007\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7a3\U00020000-\U0003ffff"
)
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_EITHER_RUN = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")

# Soft hyphens, joiners and selectors of variants: they stand within words and are no
# part of them.
_JOINERS = "\u00ad\u200c\u200d\u2060\ufe00-\ufe0f"
_FAR_JOINERS = "\U000e0100-\U000e01ef"

# As "unicode61 remove_diacritics 2" of SQLite does for Latin, and for Greek and the
# Russian io, which is mostly written without; elsewhere marks tell letters apart.
_DIACRITICS = re.compile("([a-z\u00c0-\u024f\u0370-\u03ff\u0435])[\u0300-\u036f]+")

# Vowel points of Hebrew and Arabic, which are mostly left out, and the tatweel.
_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640"
    f"\u064b-\u0652\u0670{_JOINERS}{_FAR_JOINERS}]+"
)

_LAST_MARK = 0x1FFFF


def terms_of(text: str) -> list[str]:
    """
    Return the terms of a text, in its order.

    A word is letters and digits with their marks, whatever else stands between: of
    ``user_id`` and ``e-mail`` both parts are words. Its term is in normal form NFKC,
    case-folded, without the diacritics of Latin and Greek letters.

    Where words are written without spaces (Chinese, Japanese, Thai, Lao, Khmer,
    Burmese) and in Korean, each character makes a term, together with the one behind it
    if there is one: any part of such a text is a phrase of its terms.
    """
    text = text[:MAX_TEXT_LENGTH]
    if text.isascii():
        # To translate and split takes half the time of a regular expression.
        words = text.encode().translate(_PLAIN).decode().split()
        if max(map(len, words), default=0) <= MAX_TERM_LENGTH:
            return words
        return [word[:MAX_TERM_LENGTH] for word in words]
    # All words at once, which takes a third of the time; what stood between them may
    # have letters in its normal form, such as a sign of degrees Celsius.
    return _split(_folded("\n".join(_words().findall(text))))


def placed_terms(text: str) -> Iterator[PlacedTerm]:
    """
    Yield the same terms with the places of their words in the text.

    A term of two characters has the place of the first, where each of these is one of
    the text.
    """
    text = text[:MAX_TEXT_LENGTH]
    if text.isascii():
        for match in _ASCII_WORD.finditer(text.lower()):
            yield match[0][:MAX_TERM_LENGTH], *match.span()
        return
    for match in _words().finditer(text):
        begin, end = match.span()
        terms = _terms_in(match[0])
        is_one_each = len(terms) == end - begin > 1
        for index, term in enumerate(terms):
            if is_one_each:
                yield term, begin + index, begin + index + 1
            else:
                yield term, begin, end


def is_unspaced(term: str) -> bool:
    """
    Return whether a term is of a script without spaces.
    """
    return _UNSPACED_RUN.fullmatch(term) is not None


def _terms_in(run: str) -> list[str]:
    """
    Return the terms of a run of letters, digits and marks.
    """
    if run.isascii():
        return [run.lower()[:MAX_TERM_LENGTH]]
    return _split(_folded(run))


def _split(folded: str) -> list[str]:
    """
    Return the terms of words that are folded.
    """
    # What is one character may be several words: a vulgar fraction.
    words = _words().findall(folded)
    if _UNSPACED_RUN.search(folded) is None:
        return [word[:MAX_TERM_LENGTH] for word in words]
    terms: list[str] = []
    for word in words:
        if _UNSPACED_RUN.search(word) is None:
            terms.append(word[:MAX_TERM_LENGTH])
            continue
        for part in _EITHER_RUN.findall(word):
            if is_unspaced(part):
                terms += [part[at : at + 2] for at in range(len(part))]
            else:
                terms.append(part[:MAX_TERM_LENGTH])
    return terms


def _folded(run: str) -> str:
    plain = unicodedata.normalize("NFKD", run).casefold()
    plain = unicodedata.normalize("NFKD", plain)
    plain = _POINTS.sub("", _DIACRITICS.sub(r"\1", plain))
    return unicodedata.normalize("NFC", plain)


# Made when a text first needs it: to look at all marks takes ten milliseconds.
@cache
def _words() -> re.Pattern[str]:
    marks = [
        chr(code)
        for code in range(0x300, _LAST_MARK)
        if unicodedata.category(chr(code)) in {"Mn", "Mc"}
    ]
    near = "".join(mark for mark in marks if mark < "\U00010000")
    far = "".join(mark for mark in marks if mark >= "\U00010000")
    # A class of characters of one plane is a table; one of several is gone through, for
    # each space again, which takes twenty times as long.
    return re.compile(
        f"(?:[^\\W_]+|[{near}{_JOINERS}]+|(?=[\U00010000-\U000e01ef])"
        f"[{far}{_FAR_JOINERS}]+)+"
    )
