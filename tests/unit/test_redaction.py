from __future__ import annotations

import copy
import pickle
import re
import time
from typing import Any

import pytest

from asm_async.errors import ValidationError
from asm_async.redaction import Pattern, RedactionPolicy
from asm_async.values.json_values import MAX_DEPTH

CARD = r"\b\d{4}-\d{4}\b"


def test_nothing_is_redacted_unless_it_is_named() -> None:
    """
    A policy without keys and patterns gives back what it was given.
    """
    value = {"password": "hunter2", "a": [1, 2.0, None, True, "text"]}

    assert RedactionPolicy().redact(value) == value


@pytest.mark.parametrize("secret", ["text", 1, None, [1], {"a": {"b": 1}}])
def test_the_value_of_a_named_member_is_replaced_whatever_it_is(secret: object) -> None:
    """
    It goes whole, and its neighbours stay in their order.
    """
    policy = RedactionPolicy(keys=["password"])

    redacted = policy.redact({"z": 1, "password": secret, "a": [{"password": secret}]})

    replaced = {"password": "[redacted]"}
    assert list(redacted.items()) == [("z", 1), *replaced.items(), ("a", [replaced])]


@pytest.mark.parametrize(
    ("ignores_case", "expected"),
    [(True, ["x", "x", "x", 1]), (False, ["x", 1, 1, 1])],
)
def test_a_name_is_met_in_any_case_unless_told_otherwise(
    expected: list[Any], *, ignores_case: bool
) -> None:
    """
    Only the whole name counts, never a part of one.
    """
    policy = RedactionPolicy(
        keys=["straße"], ignores_case=ignores_case, replacement="x"
    )

    redacted = policy.redact({"straße": 1, "Straße": 1, "STRASSE": 1, "straßen": 1})

    assert list(redacted.values()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pay 1234-5678 now", "pay [redacted] now"),
        ("1234-5678", "[redacted]"),
        ("1234-5678 1234-5678", "[redacted] [redacted]"),
        ("12345-6789", "12345-6789"),
        ("", ""),
    ],
)
def test_each_match_in_a_text_is_replaced(text: str, expected: str) -> None:
    """
    What is around it stays.
    """
    assert RedactionPolicy(patterns=[CARD]).redact([text]) == [expected]


def test_patterns_do_not_touch_keys_and_numbers() -> None:
    """
    A number that looks like a match is no text, and a key is a name.
    """
    policy = RedactionPolicy(patterns=[r"\d+"])

    assert policy.redact({"12": [12, 1.2]}) == {"12": [12, 1.2]}


def test_a_compiled_pattern_keeps_its_flags() -> None:
    """
    What the caller compiled is used as it is.
    """
    policy = RedactionPolicy(patterns=[re.compile("secret", re.IGNORECASE)])

    assert policy.redact("a SeCrEt") == "a [redacted]"


@pytest.mark.parametrize("pattern", ["", "x*", r"\b", "^", "(?=b)"])
def test_an_empty_match_is_none(pattern: str) -> None:
    """
    A pattern that can match nothing replaces nothing there, and comes to an end.
    """
    assert RedactionPolicy(patterns=[pattern]).redact("axb") == (
        "a[redacted]b" if pattern == "x*" else "axb"
    )


@pytest.mark.parametrize(
    ("patterns", "text", "expected"),
    [
        (["^a"], "aab", "##ENDab"),
        (["a(?=b)", "b$"], "aab", "a##END##END"),
        (["END"], "##END", "##END"),
        (["#+"], "###", "##END"),
        (["##E"], "##E##END", "##END##END"),
        (["[#EN]+"], "E##END", "##END"),
        (["b", "a+"], "aabaa", "##END##END##END"),
        (["(?<=b)a"], "baa", "b##ENDa"),
        (["(?s)."], "ab", "##END##END"),
    ],
)
def test_what_was_redacted_is_redacted_no_further(
    patterns: list[str], text: str, expected: str
) -> None:
    """
    A replacement stays, and what matches is found in the text as it was given.
    """
    policy = RedactionPolicy(patterns=patterns, replacement="##END")

    assert policy.redact(text) == expected
    assert policy.redact(expected) == expected


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["bcd", "def"], "a[redacted]gh"),
        (["def", "bcd"], "a[redacted]gh"),
        (["b..", "c"], "a[redacted]efgh"),
        (["bc", "de"], "a[redacted][redacted]fgh"),
        (["bc", "cd", "de", "ef", "h"], "a[redacted]g[redacted]"),
        ([Pattern("x", "bcd"), Pattern("y", "cdefg")], "a[redacted:x]h"),
        ([Pattern("x", "bc"), Pattern("y", "bcd"), "cde"], "a[redacted:y]fgh"),
        ([Pattern("x", "b(?P<secret>c)d"), "e"], "ab[redacted:x]d[redacted]fgh"),
        ([Pattern("x", "a(?=b(?P<secret>c))|b(?P<d>c)")], "ab[redacted:x]defgh"),
    ],
)
def test_matches_that_overlap_are_replaced_as_one(
    patterns: list[Any], expected: str
) -> None:
    """
    Nothing is left of either, and the name is that of the one that begins first.
    """
    assert RedactionPolicy(patterns=patterns).redact_text("abcdefgh") == expected


def test_a_replacement_hides_nothing_beside_it() -> None:
    """
    Whoever writes replacements into a text protects nothing with them.
    """
    policy = RedactionPolicy(keys=["k"], patterns=[CARD, Pattern("word", "se[a-z]+")])

    assert policy.redact_text("[redacted]1234-5678[redacted:word]secret[redacted") == (
        "[redacted][redacted][redacted:word][redacted:word][redacted"
    )


def test_what_is_replaced_is_counted() -> None:
    """
    By the name of the pattern, by its expression where it has none, and by the key.
    """
    policy = RedactionPolicy(
        keys=["Token"],
        patterns=[Pattern("card", CARD), r"x\d"],
        replacement="<{name}>_",
    )

    redacted, counts = policy.redact_counted(
        {"TOKEN": "1234-5678", "a": ["1234-5678 1234-5678", "x1"], "b": {"token": 1}}
    )

    assert redacted == {
        "TOKEN": "<>_",
        "a": ["<card>_ <card>_", "<>_"],
        "b": {"token": "<>_"},
    }
    assert counts == {"Token": 2, "card": 2, r"x\d": 1}
    assert policy.redact_counted({"a": "<card>_"}) == ({"a": "<card>_"}, {})


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [
        (r"\b[0-9]{16}", "1"),
        (r"(?<![0-9])[0-9]{13,16}", "1"),
        (r"[0-9]{16}\b", "1"),
        (r"\b[0-9]{3}-?[0-9]{2}-?[0-9]{4}", "1"),
        (r"\beyJ[\w-]{8,64}", "eyJabcdefgh"),
        ("^.", "a"),
        (".$", "a"),
        (r"^\w", "a"),
        (r"\Ba", "a"),
        ("a(?=a)", "a"),
        ("(?<!a)a", "a"),
        ("a(?!a)", "a"),
        ("(?m)^a\n", "a\n"),
        ("a", "[redacted]a"),
        (r"\[red", "[redacted]"),
    ],
)
def test_redacting_takes_time_in_proportion_to_the_text(
    pattern: str, unit: str
) -> None:
    """
    Also where each cut makes an edge at which the pattern would match again.

    Looking there again took more than ten seconds for 128 KiB of such texts.
    """
    policy = RedactionPolicy(patterns=[pattern])
    began = time.process_time()

    policy.redact_text(unit * (262_144 // len(unit)))

    assert time.process_time() - began < 2


def test_the_deepest_json_is_redacted() -> None:
    """
    The bound on depth leaves room for the walk.
    """
    value: Any = {"password": 1}
    for _ in range(MAX_DEPTH - 1):
        value = [value]

    redacted = RedactionPolicy(keys=["password"]).redact(value)

    for _ in range(MAX_DEPTH - 1):
        (redacted,) = redacted
    assert redacted == {"password": "[redacted]"}


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        ({"keys": "password"}, "keys: expected a list"),
        ({"keys": [""]}, "keys[0]: expected 1 to 255 characters"),
        ({"keys": ["a", "Total_Tokens"]}, "keys[1]: 'Total_Tokens' is a count"),
        ({"patterns": "a"}, "patterns: expected a list"),
        ({"patterns": ["a", "("]}, "patterns[1]: this is not a regular expression"),
        ({"patterns": ["a{99999999999}"]}, "patterns[0]: this is not a regular"),
        ({"patterns": [re.compile(b"a")]}, "patterns[0]: expected a regular"),
        ({"ignores_case": 1}, "ignores_case: expected a bool"),
        ({"replacement": ""}, "replacement: expected 1 to 255 characters"),
        ({"replacement": None}, "replacement: expected text"),
        ({"replacement": "***"}, "replacement: '***' ends as it begins"),
        ({"replacement": "{name}"}, "replacement: it would be empty"),
        ({"patterns": [Pattern("*", "a")], "replacement": "*{name}"}, "replacement"),
        ({"replacement": "redactor"}, "replacement: 'redactor' ends as it begins"),
    ],
)
def test_a_policy_is_checked(options: dict[str, Any], culprit: str) -> None:
    """
    The error names the field and what is wrong with it.
    """
    with pytest.raises(ValidationError, match=f"^{re.escape(culprit)}"):
        RedactionPolicy(**options)


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [(("", "a"), "name: "), ((1, "a"), "name: "), (("a", "("), "regex: this is no")],
)
def test_a_pattern_is_checked(arguments: tuple[Any, Any], culprit: str) -> None:
    """
    The error names the field and what is wrong with it.
    """
    with pytest.raises(ValidationError, match=f"^{culprit}"):
        Pattern(*arguments)


def test_groups_that_are_found_from_right_to_left_are_all_replaced() -> None:
    """
    A group in a lookahead may lie behind what a later match has found.
    """
    pattern = Pattern("x", r"([ab])(?=.*?(?P<secret>\1[0-9]))")
    policy = RedactionPolicy(patterns=[pattern])

    assert policy.redact_text("a b b1 a2") == "a b [redacted:x] [redacted:x]"


def test_a_policy_is_a_value() -> None:
    """
    Equal ones are equal after a trip through pickle and copy.
    """
    policy = RedactionPolicy(keys=["a"], patterns=["b", Pattern("c", "c")])

    assert policy == RedactionPolicy(
        keys=["a"], patterns=[re.compile("b"), Pattern("c", re.compile("c"))]
    )
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301 - our own
    assert copy.deepcopy(policy) == policy
    assert hash(policy) == hash(copy.copy(policy))
