"""
The piece of a text that is shown of a match, with its words marked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from asm_async.values.search_terms import (
    MAX_TERM_LENGTH,
    MAX_TEXT_LENGTH,
    PlacedTerm,
    is_unspaced,
    placed_terms,
)
from asm_async.values.text_match import Snippet
from asm_async.values.text_query import Phrase, PhraseEnd, TextQuery

MAX_SNIPPET_LENGTH = 240
"""
The most characters of a snippet.
"""

_BEFORE = 40
_ELLIPSIS = "…"
_SPACE = re.compile(r"\s+")


class _Hit(NamedTuple):
    """
    Where a word of a phrase stands, and which of the phrases it belongs to.
    """

    begin: int
    end: int
    phrase: int


def joined_texts(texts: Iterable[str]) -> str:
    """
    Return the texts of an event as one, as long as what is indexed.
    """
    return "\n".join(texts)[:MAX_TEXT_LENGTH]


def snippet_of(text: str, query: TextQuery) -> Snippet:
    """
    Return the piece of a text that has the most of a query's phrases, the first such.
    """
    hits = _hits(text, query)
    begin, end = _window(text, hits)
    pieces: list[str] = [_ELLIPSIS] if begin else []
    marks: list[tuple[int, int]] = []
    length, place = len(_ELLIPSIS) if begin else 0, begin
    for first, last in _cut(_merged(hits), begin, end):
        between = _SPACE.sub(" ", text[place:first])
        pieces += between, text[first:last]
        length += len(between)
        marks.append((length, length + last - first))
        length += last - first
        place = last
    pieces.append(_SPACE.sub(" ", text[place:end]))
    if end < len(text):
        pieces.append(_ELLIPSIS)
    return Snippet(text="".join(pieces), marks=tuple(marks))


def _hits(text: str, query: TextQuery) -> list[_Hit]:
    if text.isascii() and all(map(_is_short_word, query.wanted)):
        return sorted(_short_words(text, query))
    placed = list(placed_terms(text))
    # Most phrases can stand only where their first term does.
    beginning: dict[str, list[int]] = {}
    anywhere: list[int] = []
    for number, phrase in enumerate(query.wanted):
        first, *others = phrase.terms
        if others or phrase.end is PhraseEnd.WORD:
            beginning.setdefault(first, []).append(number)
        else:
            anywhere.append(number)
    found: set[_Hit] = set()
    for index, (term, _, _) in enumerate(placed):
        for number in (*beginning.get(term, ()), *anywhere):
            phrase = query.wanted[number]
            is_within = index + len(phrase.terms) <= len(placed)
            if is_within and _stands_at(phrase, placed, index):
                words = placed[index : index + len(phrase.terms)]
                found.update(_words_of(phrase, words, number))
    return sorted(found)


def _is_short_word(phrase: Phrase) -> bool:
    """
    Return whether a phrase is a whole word that is compared as it is, and not cut.
    """
    is_whole = len(phrase.terms) == 1 and phrase.end is PhraseEnd.WORD
    return is_whole and len(phrase.terms[0]) < MAX_TERM_LENGTH


def _short_words(text: str, query: TextQuery) -> Iterator[_Hit]:
    """
    Yield where such words stand, without a look at the other words of a text.
    """
    lowered = text[:MAX_TEXT_LENGTH].lower()
    for number, phrase in enumerate(query.wanted):
        for match in re.finditer(phrase.terms[0], lowered):
            begin, end = match.span()
            around = lowered[max(0, begin - 1) : begin] + lowered[end : end + 1]
            if not any(map(str.isalnum, around)):
                yield _Hit(begin, end, number)


def _stands_at(phrase: Phrase, placed: Sequence[PlacedTerm], index: int) -> bool:
    *firsts, last = phrase.terms
    for offset, term in enumerate(firsts):
        if placed[index + offset][0] != term:
            return False
    found = placed[index + len(firsts)][0]
    match phrase.end:
        case PhraseEnd.WORD:
            return found == last
        case PhraseEnd.PREFIX:
            return found.startswith(last)
        case PhraseEnd.PART:
            return last in found


def _words_of(
    phrase: Phrase, placed: Sequence[PlacedTerm], number: int
) -> Iterable[_Hit]:
    for term, (_, begin, end) in zip(phrase.terms, placed, strict=False):
        # A term without spaces has the place of its first character alone.
        is_char = is_unspaced(term) and end - begin == 1
        yield _Hit(begin, begin + len(term) if is_char else end, number)


def _merged(hits: Iterable[_Hit]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end, _ in hits:
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _cut(
    marks: Iterable[tuple[int, int]], begin: int, end: int
) -> Iterator[tuple[int, int]]:
    """
    Yield what of the marks is within a piece: a word may be longer than that.
    """
    for first, last in marks:
        if begin < last and first < end:
            yield max(first, begin), min(last, end)


def _window(text: str, hits: Sequence[_Hit]) -> tuple[int, int]:
    """
    Return where the piece begins and ends that has the most phrases.
    """
    size = MAX_SNIPPET_LENGTH - 2 * len(_ELLIPSIS)
    if len(text) <= MAX_SNIPPET_LENGTH:
        return 0, len(text)
    best, most = 0, 0
    for index, hit in enumerate(hits):
        phrases = set[int]()
        for other in hits[index:]:
            if other.end - hit.begin > size - _BEFORE:
                break
            phrases.add(other.phrase)
        if len(phrases) > most:
            best, most = hit.begin, len(phrases)
    begin = _word_border(text, max(0, best - _BEFORE), best)
    begin = max(0, min(begin, len(text) - size))
    return begin, min(begin + size, len(text))


def _word_border(text: str, begin: int, end: int) -> int:
    """
    Return where the first whole word from *begin* on begins; *begin* without spaces.
    """
    if begin == 0:
        return 0
    space = _SPACE.search(text, begin, end)
    return begin if space is None else space.end()
