"""
What people type to search for text, as a small tree: phrases of terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.search_terms import is_unspaced, terms_of

MAX_QUERY_LENGTH = 4_096
"""
The most characters of a query.
"""

MAX_QUERY_TERMS = 128
"""
The most terms that the phrases of a query have together.
"""

# A piece of a query: a minus, a star, then a phrase in quotes or a word, and a star.
# Phones and word processors type other quotes than keyboards do. A phrase that is not
# closed ends with the query.
_OPENING = '"\u201c\u201e\u201f\u00ab\u00bb'
_CLOSING = '"\u201c\u201d\u201f\u00ab\u00bb'
_PIECE = re.compile(
    rf"(?P<minus>(?<!\S)-(?!-))?"
    rf"(?:[{_OPENING}](?P<phrase>[^{_CLOSING}]*)(?:[{_CLOSING}]|\Z)(?P<any>\*)?"
    rf"|(?P<part>\*)?(?P<word>[^\s{_OPENING}]+))"
)

_MIN_PART_LENGTH = 3


class PhraseEnd(StrEnum):
    """
    How far the last term of a phrase goes.
    """

    WORD = "word"
    """
    It is a whole term.
    """

    PREFIX = "prefix"
    """
    It is the beginning of a term, or all of it.
    """

    PART = "part"
    """
    It stands anywhere in a term; such a phrase has one term, of three characters or
    more.
    """


@attrs.frozen
class Phrase:
    """
    Terms that stand one directly behind the other; a single word is one, too.
    """

    terms: tuple[str, ...]
    """
    The terms, at least one.
    """

    end: PhraseEnd = PhraseEnd.WORD
    """
    How far the last of them goes.
    """

    @property
    def is_one_term(self) -> bool:
        """
        Whether it is a single term, or the beginning of one.
        """
        return len(self.terms) == 1 and self.end is not PhraseEnd.PART

    @property
    def pattern(self) -> str:
        """
        What a text holds that has the phrase, written as :func:`indexed_text` does.
        """
        if self.end is PhraseEnd.PART:
            return self.terms[0]
        text = f" {' '.join(self.terms)}"
        return f"{text} " if self.end is PhraseEnd.WORD else text


@attrs.frozen
class TextQuery:
    """
    What a text must have, and what it must not.
    """

    wanted: tuple[Phrase, ...]
    """
    All of these; where there are none, nothing is found.
    """

    unwanted: tuple[Phrase, ...] = ()
    """
    None of these.
    """

    def matches(self, indexed: str) -> bool:
        """
        Return whether a text is found, which :func:`indexed_text` has written.
        """
        return (
            bool(self.wanted)
            and all(phrase.pattern in indexed for phrase in self.wanted)
            and not any(phrase.pattern in indexed for phrase in self.unwanted)
        )


def indexed_text(terms: list[str]) -> str:
    """
    Write the terms of a text with a space before and behind each.
    """
    return f" {' '.join(terms)} " if terms else ""


def parse_query(query: object) -> TextQuery:
    """
    Read what somebody has typed; whatever it is, it has a meaning.

    ``words`` must all be there, in any order; ``"a phrase"`` as it is; ``-word`` and
    ``-"a phrase"`` must not; ``pre*`` is the beginning of a word, ``*part*`` or
    ``*part`` any part of one, from three characters on. A word that is several terms,
    such as ``user_id``, is a phrase. All else is punctuation; what has no letter or
    digit is left out, and AND, OR, NOT and NEAR are words.

    Raises:
        ValidationError: If it is no text, or longer than a query may be.
    """
    text = fields.instance(query, "query", str)
    if len(text) > MAX_QUERY_LENGTH:
        raise ValidationError(
            f"query: expected at most {MAX_QUERY_LENGTH} characters, got {len(text)}"
        )
    wanted: dict[Phrase, None] = {}
    unwanted: dict[Phrase, None] = {}
    for phrase, is_wanted in _phrases(text):
        (wanted if is_wanted else unwanted)[phrase] = None
    count = sum(len(phrase.terms) for phrase in (*wanted, *unwanted))
    if count > MAX_QUERY_TERMS:
        raise ValidationError(
            f"query: expected at most {MAX_QUERY_TERMS} words, got {count}"
        )
    return TextQuery(tuple(wanted), tuple(unwanted))


def _phrases(text: str) -> Iterator[tuple[Phrase, bool]]:
    """
    Yield each phrase, and whether it is wanted.
    """
    for piece in _PIECE.finditer(text):
        words = piece["word"]
        if words is None:
            phrase = _phrase(piece["phrase"], is_prefix=piece["any"] is not None)
        else:
            phrase = _phrase(
                words,
                is_prefix=words.endswith("*"),
                is_part=piece["part"] is not None,
            )
        if phrase is not None:
            yield phrase, piece["minus"] is None


def _phrase(words: str, *, is_prefix: bool, is_part: bool = False) -> Phrase | None:
    terms = terms_of(words)
    if not terms:
        return None
    if is_unspaced(terms[-1]):
        # The last character of a text without spaces makes a term of its own, which is
        # another one where the text goes on.
        if len(terms) > 1 and len(terms[-2]) > 1 and is_unspaced(terms[-2]):
            return Phrase(tuple(terms[:-1]))
        return Phrase(tuple(terms), PhraseEnd.PREFIX)
    if is_part and len(terms) == 1 and len(terms[0]) >= _MIN_PART_LENGTH:
        return Phrase(tuple(terms), PhraseEnd.PART)
    return Phrase(tuple(terms), PhraseEnd.PREFIX if is_prefix else PhraseEnd.WORD)
