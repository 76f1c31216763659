"""
Lines of an export that somebody has made to take long.
"""

from __future__ import annotations

import json
import time

import pytest

from asm_async.errors import ValidationError
from asm_async.values.export_lines import decode_record


def test_a_key_that_stands_twice_is_found_in_time() -> None:
    """
    Among a hundred thousand others, at the end, and in proportion to their number.

    Counting each one anew would compare five thousand million keys.
    """
    members = {f"k{number}": 0 for number in range(100_000)}
    line = json.dumps(members)[:-1] + ', "k99999": 1}'
    began = time.process_time()

    with pytest.raises(ValidationError, match=r"^'k99999': this key appears twice"):
        decode_record(line.encode())

    assert time.process_time() - began < 5
