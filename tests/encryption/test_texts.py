"""
Values that have the text of their JSON in its place, as HTTP passes them on.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.coded import CodedValue
from asm_async.encryption.sealed_fields import is_long_text, sealed_text_of
from asm_async.encryption.sealing import Sealer, here, opened
from asm_async.encryption.seals import KeyId, SealedText
from asm_async.testing.factories import make_event, make_item, make_run, make_session
from asm_async.values.json_pieces import at_once
from asm_async.values.json_values import EncodedJSON, decoded, encode_json
from asm_async.values.session import Session

LONG: dict[str, Any] = {
    "a": [[]] * 20_000,
    "b": {"": "x" * 40_000, "c": [1.0, None, "]},{"]},
}
SHORT: dict[str, Any] = {"a": [{}, "b"], "c": None}
JSON = ("data", "metadata", "context", "input", "output", "error", "provider_metadata")
SEALER = Sealer(KeyId("a" * 26, 1), AESSIV(bytes(range(64))), 64)
VALUES: dict[str, CodedValue] = {
    "event": make_event(data=LONG, metadata=SHORT),
    "short_event": make_event(data=SHORT),
    "session": make_session(metadata=LONG, context=LONG),
    "context": make_session(context=LONG),
    "empty_session": make_session(metadata={}, context={}),
    "run": make_run(
        input=[LONG], output="x" * 40_000, error=LONG, provider_metadata={"model": "m"}
    ),
    "item": make_item(data=LONG, content=b"content"),
}


def with_texts(value: CodedValue) -> CodedValue:
    """
    Put the text of all JSON in its place, as where it is not decoded.
    """
    texts = {
        name: EncodedJSON(encode_json(getattr(value, name)))
        for name in JSON
        if getattr(value, name, None) is not None
    }
    given: Any = value
    changed: CodedValue = attrs.evolve(given, **texts)
    return changed


def read(stored: CodedValue) -> CodedValue:
    """
    Decrypt a value as the coder does.
    """
    sealed = SealedText.of(sealed_text_of(stored), "it")
    return at_once(opened(stored, sealed, SEALER.cipher, here(stored)))


@pytest.mark.parametrize("name", VALUES)
def test_text_is_encrypted_as_what_it_stands_for_is(name: str) -> None:
    """
    So that a call can be repeated by whoever has the one or the other.
    """
    value = VALUES[name]

    by_text = SEALER.sealed(with_texts(value), here(value))

    assert by_text.to_dict() == SEALER.sealed(value, here(value)).to_dict()


@pytest.mark.parametrize("name", VALUES)
def test_what_is_read_as_text_is_decrypted_to_text(name: str) -> None:
    """
    To the text of what was encrypted, where it is long, without what fills it up.
    """
    value = VALUES[name]
    shown = read(with_texts(SEALER.sealed(value, here(value))))

    for field in JSON:
        given, got = getattr(value, field, None), getattr(shown, field, None)
        assert encode_json(got) == encode_json(given)
        assert decoded(got) == given
        if type(given) in {dict, list} and len(encode_json(given)) > 1 << 15:
            assert type(got) is EncodedJSON


def test_a_session_is_long_by_either_of_its_texts() -> None:
    """
    Its context has a text of its own.
    """
    for value in (make_session(metadata=LONG), make_session(context=LONG)):
        stored = with_texts(SEALER.sealed(value, here(value)))
        assert isinstance(stored, Session)
        assert is_long_text(stored)
    short = make_session(metadata=SHORT)
    assert not is_long_text(with_texts(SEALER.sealed(short, here(short))))
