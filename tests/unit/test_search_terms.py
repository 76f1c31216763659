"""
Terms of texts, and what people type to search for them.
"""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.errors import ValidationError
from asm_async.fronts.text_snippets import MAX_SNIPPET_LENGTH, snippet_of
from asm_async.values.search_terms import (
    MAX_TERM_LENGTH,
    MAX_TEXT_LENGTH,
    placed_terms,
    terms_of,
)
from asm_async.values.text_query import (
    PhraseEnd,
    indexed_text,
    parse_query,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
# What is written without spaces, and what stands between such texts.
UNSPACED = st.text("東京都にほんゴー日本語สวัสดีกขค서울", min_size=1, max_size=8)
MIXED = st.lists(
    st.one_of(
        UNSPACED,
        st.sampled_from(["Straße", "CAFÉ", "user_id", "42", "ﬁ", "e\u0301t\u0327"]),
        st.sampled_from([" ", "-", "\n", "\u200b", "🎉", "。"]),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("Hello, World!", ["hello", "world"]),
        ("user_id e-mail 3.14 C++", ["user", "id", "e", "mail", "3", "14", "c"]),
        ("don't", ["don", "t"]),
        ("Zürich Zu\u0308rich ZÜRICH", ["zurich"] * 3),
        ("Straße STRASSE", ["strasse"] * 2),
        ("İstanbul ISTANBUL", ["istanbul"] * 2),
        ("Ёж ёж еж", ["еж"] * 3),
        ("Мой мои", ["мой", "мои"]),
        ("Ὀδυσσεύς ΟΔΥΣΣΕΥΣ", ["οδυσσευσ"] * 2),
        ("ﬁne \uff21\uff22 ½ ²", ["fine", "ab", "1", "2", "2"]),
        ("co\u00adoperate", ["cooperate"]),
        ("हिन्दी", ["हिन्दी"]),
        ("שָׁלוֹם", ["שלום"]),
        ("مُحَمَّد محمد", ["محمد"] * 2),
        ("東京都", ["東京", "京都", "都"]),
        ("iPhoneを買う", ["iphone", "を買", "買う", "う"]),
        ("がか", ["がか", "か"]),
        ("🎉 👍🏽 ❤\ufe0f", []),
        ("1\ufe0f\u20e3", ["1"]),
        ("葛\U000e0100城", ["葛城", "城"]),
        ("a\0b\ud800c", ["a", "b", "c"]),
    ],
)
def test_terms_are_words_as_they_are_compared(text: str, terms: list[str]) -> None:
    """
    Case, form and the diacritics of Latin and Greek do not tell words apart.
    """
    assert terms_of(text) == terms


@given(ANY_TEXT | MIXED)
def test_terms_have_places(text: str) -> None:
    """
    The terms of a text and those with their places are the same, within the text.
    """
    placed = list(placed_terms(text))

    assert [term for term, _, _ in placed] == terms_of(text)
    assert all(0 <= begin < end <= len(text) for _, begin, end in placed)
    assert [begin for _, begin, _ in placed] == sorted(begin for _, begin, _ in placed)


@given(ANY_TEXT | MIXED)
def test_terms_can_be_separated_by_spaces(text: str) -> None:
    """
    No term has a space, an upper-case letter or a surrogate in it, or is too long.
    """
    for term in terms_of(text):
        assert 0 < len(term) <= MAX_TERM_LENGTH
        assert not any(char.isspace() or char == "\0" for char in term)
        assert not any(unicodedata.category(char) == "Cs" for char in term)
        assert term.isascii() <= (term == term.lower())


@given(MIXED)
def test_terms_do_not_depend_on_the_form(text: str) -> None:
    """
    Composed or decomposed, a text has the same terms.
    """
    assert terms_of(unicodedata.normalize("NFD", text)) == terms_of(
        unicodedata.normalize("NFC", text)
    )


@given(UNSPACED, st.data())
def test_any_part_of_a_text_without_spaces_is_a_phrase_of_it(
    text: str, data: st.DataObject
) -> None:
    """
    A query is found exactly if it is a part of the text.
    """
    begin = data.draw(st.integers(0, len(text) - 1))
    part = text[begin : data.draw(st.integers(begin + 1, len(text)))]
    other = data.draw(UNSPACED)
    indexed = indexed_text(terms_of(f"a {text} b"))

    assert parse_query(part).matches(indexed)
    assert parse_query(other).matches(indexed) == (other in text)


@given(ANY_TEXT)
def test_whatever_is_typed_is_a_query(text: str) -> None:
    """
    It has phrases of terms, and each phrase has one term at least.
    """
    query = parse_query(text)

    for phrase in (*query.wanted, *query.unwanted):
        assert phrase.terms
        assert phrase.end is not PhraseEnd.PART or len(phrase.terms) == 1
    assert query.matches("") is False


@given(ANY_TEXT | MIXED)
def test_a_text_is_found_by_itself(text: str) -> None:
    """
    As a phrase in quotes, if it has a word and no quotes of its own.
    """
    quotes = str.maketrans(dict.fromkeys('"\u201c\u201d\u201e\u201f\u00ab\u00bb', " "))
    plain = text.translate(quotes)
    terms = terms_of(plain)

    query = parse_query(f'"{plain}"')

    assert query.matches(indexed_text(terms)) == bool(terms)


@given(ANY_TEXT | MIXED, ANY_TEXT | MIXED)
def test_a_snippet_is_a_piece_of_the_text(text: str, typed: str) -> None:
    """
    It is short and on one line; its marks ascend, and what is found is marked.
    """
    query = parse_query(typed)

    snippet = snippet_of(text * 5, query)

    assert len(snippet.text) <= MAX_SNIPPET_LENGTH
    assert len(snippet.text.splitlines()) <= 1 or "\n" not in snippet.text
    places = [place for mark in snippet.marks for place in mark]
    assert places == sorted(places)
    if query.matches(indexed_text(terms_of(text * 5))):
        assert snippet.marks


@pytest.mark.parametrize("typed", ["a*", "*aaa*", "ก"])
def test_of_a_word_that_is_longer_than_a_snippet_the_beginning_is_marked(
    typed: str,
) -> None:
    """
    Where the piece ends, the mark does.
    """
    snippet = snippet_of(f"{'a' * 300}ก{'a' * 300}", parse_query(typed))

    assert snippet.marks == ((0, MAX_SNIPPET_LENGTH - 2),)


@pytest.mark.parametrize("text", ["planned, plan: a plan", "Plan-b (plan) xplan planx"])
def test_whole_words_are_marked_alone(text: str) -> None:
    """
    Not what begins or ends as they do, whether the text is ASCII or not.
    """
    marks = snippet_of(text, parse_query("plan")).marks

    assert [text[begin:end].lower() for begin, end in marks] == ["plan", "plan"]
    assert snippet_of(f"{text} é", parse_query("plan")).marks == marks


def test_a_query_is_text() -> None:
    """
    Anything else is refused, and so is a text that is too long.
    """
    with pytest.raises(ValidationError, match=r"^query: expected"):
        parse_query(b"x")
    with pytest.raises(ValidationError, match=r"^query: expected at most 4096"):
        parse_query("x" * 4_097)


def test_what_is_behind_the_first_100_000_characters_has_no_terms() -> None:
    """
    Whatever they are.
    """
    assert terms_of(f"{' ' * MAX_TEXT_LENGTH}x") == []
    assert len(terms_of("é " * MAX_TEXT_LENGTH)) == MAX_TEXT_LENGTH // 2
