"""
Patterns of text that is not stored, and its replacement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from heapq import merge
from typing import Any, NamedTuple, TypeAlias, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.json_pieces import at_once
from asm_async.values.json_values import decoded
from asm_async.values.token_usage import TOKEN_COUNTS

# Usage summaries add these up, so that they have to stay numbers.
_COUNTS = frozenset(TOKEN_COUNTS)

_SPANS_PER_STEP = 1_000


def _key(value: object, name: str) -> str:
    key = fields.text(value, name)
    if key.casefold() in _COUNTS:
        raise ValidationError(f"{name}: {key!r} is a count, which usage summaries need")
    return key


def _keys(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fields.tuple_of(value, "keys", _key)))


def _regex(value: object, name: str) -> re.Pattern[str]:
    if not isinstance(value, str):
        if not isinstance(getattr(value, "pattern", None), str):
            raise fields.unexpected(name, "a regular expression over text", value)
        return cast("re.Pattern[str]", fields.instance(value, name, re.Pattern))
    try:
        return re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValidationError(
            f"{name}: this is not a regular expression: {error}"
        ) from None


def _name_text(value: str) -> str:
    return fields.text(value, "name")


def _regex_of_its_own(value: str | re.Pattern[str]) -> re.Pattern[str]:
    return _regex(value, "regex")


@attrs.frozen
class Pattern:
    """
    A regular expression with a name, which says in the replacement what was there.

    Raises:
        ValidationError: Naming the field that is wrong.
    """

    name: str = attrs.field(converter=_name_text)
    """
    The name of a match, such as ``openai_key``; several patterns may share one.
    """

    regex: re.Pattern[str] = attrs.field(converter=_regex_of_its_own)
    """
    The expression, compiled or as text. Where it has a group called ``secret``, that
    group alone is replaced; else all that it matches.
    """


def _pattern(value: object, name: str) -> Pattern | re.Pattern[str]:
    return value if isinstance(value, Pattern) else _regex(value, name)


def _patterns(
    value: Iterable[str | re.Pattern[str] | Pattern],
) -> tuple[Pattern | re.Pattern[str], ...]:
    return tuple(dict.fromkeys(fields.tuple_of(value, "patterns", _pattern)))


def _replacement_text(value: str) -> str:
    return fields.text(value, "replacement")


def _named(template: str, name: str) -> str:
    """
    Return the replacement for what *name* found; keys and bare patterns have none.
    """
    if not name:
        template = template.replace(":{name}", "")
    return template.replace("{name}", name)


def _check_replacement(text: str) -> None:
    if not text:
        raise ValidationError(
            "replacement: it would be empty for keys and for patterns without a name;"
            " try '[redacted:{name}]'"
        )
    if any(text.startswith(text[start:]) for start in range(1, len(text))):
        raise ValidationError(
            f"replacement: {text!r} ends as it begins, so that it is unclear where it"
            " ends in a text; try '[redacted]'"
        )


def _ignores_case(value: bool) -> bool:  # noqa: FBT001 - attrs converts by position
    return fields.instance(value, "ignores_case", bool)


@attrs.frozen(kw_only=True)
class RedactionPolicy:
    """
    What of JSON values is replaced before they are stored: nothing unless it is named.

    Values are walked as the structures they are, so that whatever is not matched comes
    out as it went in: numbers to the last bit, types, the order of keys, and the keys
    themselves. The same value always gives the same copy, and what was replaced once is
    not replaced again.

    Raises:
        ValidationError: Naming the field that is wrong.
    """

    keys: tuple[str, ...] = attrs.field(default=(), converter=_keys)
    """
    The names of members whose whole value is replaced, whatever it is and however deep
    the member is; up to 255 characters each.
    """

    ignores_case: bool = attrs.field(default=True, converter=_ignores_case)
    """
    Whether *keys* name ``Password`` and ``PASSWORD`` when they say ``password``.
    """

    patterns: tuple[Pattern | re.Pattern[str], ...] = attrs.field(
        default=(), converter=_patterns
    )
    """
    Regular expressions, compiled or as text, with a name or without; in every text
    value that is left, each match that is not empty is replaced.

    Each is searched for once, in the text as it is given, and matches that overlap are
    replaced as one. Python's ``re`` has no time limit, and nothing else of the process
    runs meanwhile: a pattern whose search can take exponential time, such as
    ``(a+)+$``, lets the author of the text stop the process.
    """

    replacement: str = attrs.field(
        default="[redacted:{name}]", converter=_replacement_text
    )
    """
    The replacing text; ``{name}`` is the name of the pattern that matched. For keys and
    patterns without a name it is left out, with a colon before it. The text must not
    end as it begins, as ``***`` does.
    """

    _names: Mapping[str, str] = attrs.field(init=False, repr=False, eq=False)
    _searches: tuple[_Search, ...] = attrs.field(init=False, repr=False, eq=False)
    _earlier: re.Pattern[str] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        searches = tuple(_Search.of(each, self.replacement) for each in self.patterns)
        # Longer ones first, since an alternation takes the first that fits.
        texts = {self._unnamed, *(search.replacement for search in searches)}
        for text in sorted(texts):
            _check_replacement(text)
        earlier = "|".join(re.escape(text) for text in sorted(texts, key=len)[::-1])
        object.__setattr__(self, "_names", {self._name(key): key for key in self.keys})
        object.__setattr__(self, "_searches", searches)
        object.__setattr__(self, "_earlier", re.compile(earlier))

    def redact(self, value: Any) -> Any:
        """
        Copy a JSON value in normal form without what is to be replaced.
        """
        return self._copy(decoded(value), Counter())

    def redact_counted(self, value: Any) -> tuple[Any, Counter[str]]:
        """
        Copy a JSON value as :meth:`redact` does, and count what was replaced in it.

        Returns:
            The copy, and how often something was replaced: by the name of the pattern,
            the expression of one without a name, or the key as *keys* has it.
        """
        counts = Counter[str]()
        return self._copy(decoded(value), counts), counts

    def redact_in_steps(self, value: Any) -> Generator[None, None, Any]:
        """
        Copy a JSON value as :meth:`redact` does; a long text in steps.

        A step is one search through the text, or a thousand replacements.

        Returns:
            The copy, when the steps are over.
        """
        if not isinstance(value, str):
            return self.redact(value)
        found: list[_Search] = []
        for search in self._searches:
            if search.regex.search(value):
                found.append(search)
            yield
        return (yield from self._cut_in_steps(value, found, Counter()))

    def redact_text(self, text: str) -> str:
        """
        Replace every match of a pattern in a text.

        Takes time in proportion to the text, if each pattern's own search does.
        """
        return self._copy_text(text, Counter())

    def _copy(self, value: Any, counts: Counter[str]) -> Any:
        if isinstance(value, str):
            return self._copy_text(value, counts)
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {
                key: self._copy_member(key, member, counts)
                for key, member in members.items()
            }
        if isinstance(value, list):
            return [self._copy(item, counts) for item in cast("list[object]", value)]
        return value

    def _copy_member(self, key: str, member: object, counts: Counter[str]) -> Any:
        if self._names and (named := self._names.get(self._name(key))):
            counts[named] += 1
            return self._unnamed
        return self._copy(member, counts)

    def _copy_text(self, text: str, counts: Counter[str]) -> str:
        # Most texts hold nothing: they are given back without being taken to pieces.
        found = [search for search in self._searches if search.regex.search(text)]
        if not found:
            return text
        return at_once(self._cut_in_steps(text, found, counts))

    def _cut_in_steps(
        self, text: str, searches: Iterable[_Search], counts: Counter[str]
    ) -> Generator[None, None, str]:
        """
        Replace what *searches* find in a text.
        """
        # All is found in the text as it was given. A cut makes an edge at which a
        # pattern such as \b[0-9]{16} would match again, and then again at that one's:
        # looking there again took time in proportion to the square of the text.
        #
        # A replacement from an earlier call stays what it is, unless a match reaches
        # beyond it: so it is a span like the others, that nobody has found.
        lists = [(yield from _sorted(self._earlier_spans(text)))]
        for search in searches:
            spans = yield from _sorted(search.spans(text))
            lists.append(spans)
        pieces, done = list[str](), 0
        cuts = _united(merge(*lists, key=_by_start))
        for number, (start, end, search) in enumerate(cuts, 1):
            pieces += text[done:start], search.replacement
            counts[search.name] += 1
            done = end
            if not number % _SPANS_PER_STEP:
                yield
        return "".join([*pieces, text[done:]])

    def _earlier_spans(self, text: str) -> Iterator[_Span]:
        return ((*match.span(), None) for match in self._earlier.finditer(text))

    @property
    def _unnamed(self) -> str:
        return _named(self.replacement, "")

    def _name(self, key: str) -> str:
        return key.casefold() if self.ignores_case else key


class _Search(NamedTuple):
    """
    One pattern as it is looked for.
    """

    regex: re.Pattern[str]
    name: str
    replacement: str
    group: int | str

    @classmethod
    def of(cls, pattern: Pattern | re.Pattern[str], template: str) -> _Search:
        if not isinstance(pattern, Pattern):
            return cls(pattern, pattern.pattern, _named(template, ""), 0)
        group = "secret" if "secret" in pattern.regex.groupindex else 0
        replacement = _named(template, pattern.name)
        return cls(pattern.regex, pattern.name, replacement, group)

    def spans(self, text: str) -> Iterator[_Span]:
        """
        Yield what it finds in a text.
        """
        return (
            (*match.span(self.group), self)
            for match in self.regex.finditer(text)
            if match[self.group]
        )


_Span: TypeAlias = tuple[int, int, _Search | None]


def _by_start(span: _Span) -> tuple[int, int]:
    return span[0], -span[1]


def _sorted(spans: Iterable[_Span]) -> Generator[None, None, list[_Span]]:
    """
    List spans, those that begin first first.
    """
    found: list[_Span] = []
    for number, span in enumerate(spans, 1):
        found.append(span)
        if not number % _SPANS_PER_STEP:
            yield
    # A group in a lookahead may lie behind the next match.
    found.sort(key=_by_start)
    yield
    return found


def _united(spans: Iterable[_Span]) -> Iterator[tuple[int, int, _Search]]:
    """
    Yield what to cut out of a text, from the left, with the search that found it.
    """
    start, end, by = 0, 0, None
    for each_start, each_end, found_by in spans:
        if each_start >= end:
            if by:
                yield start, end, by
            start, end, by = each_start, each_end, found_by
        elif each_end > end:
            end, by = each_end, by or found_by
    if by:
        yield start, end, by
