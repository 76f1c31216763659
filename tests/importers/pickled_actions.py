"""
Pickles for tests: what ADK 2.13 has written, and what an attacker would write.
"""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any

ACTIONS = base64.b64decode(
    """
    gAWV/AQAAAAAAACMH2dvb2dsZS5hZGsuZXZlbnRzLmV2ZW50X2FjdGlvbnOUjAxFdmVudEFjdGlvbnOU
    k5QpgZR9lCiMCF9fZGljdF9flH2UKIwSc2tpcF9zdW1tYXJpemF0aW9ulE6MC3N0YXRlX2RlbHRhlH2U
    KIwFdG9waWOUTowKdXNlcjphc2tlZJRLAYwEd2hlbpSMCGRhdGV0aW1llIwIZGF0ZXRpbWWUk5RDCgfq
    AQIDBAUAAAaUaA2MCHRpbWV6b25llJOUaA2MCXRpbWVkZWx0YZSTlEsASwBLAIeUUpSFlFKUhpRSlIwE
    dGFnc5SPlCiMAXiUkHWMDmFydGlmYWN0X2RlbHRhlH2UjBF0cmFuc2Zlcl90b19hZ2VudJROjA90cmFu
    c2Zlcl9yZWFzb26UTowIZXNjYWxhdGWUTowWcmVxdWVzdGVkX2F1dGhfY29uZmlnc5R9lIwccmVxdWVz
    dGVkX3Rvb2xfY29uZmlybWF0aW9uc5R9lIwCYzGUjCJnb29nbGUuYWRrLnRvb2xzLnRvb2xfY29uZmly
    bWF0aW9ulIwQVG9vbENvbmZpcm1hdGlvbpSTlCmBlH2UKGgFfZQojARoaW50lIwFc3VyZT+UjAljb25m
    aXJtZWSUiYwHcGF5bG9hZJROdYwSX19weWRhbnRpY19leHRyYV9flE6MF19fcHlkYW50aWNfZmllbGRz
    X3NldF9flI+UKGgukIwUX19weWRhbnRpY19wcml2YXRlX1+UTnVic4wKY29tcGFjdGlvbpRoAIwPRXZl
    bnRDb21wYWN0aW9ulJOUKYGUfZQoaAV9lCiMD3N0YXJ0X3RpbWVzdGFtcJRHP/AAAAAAAACMDWVuZF90
    aW1lc3RhbXCUR0AAAAAAAAAAjBFjb21wYWN0ZWRfY29udGVudJSMEmdvb2dsZS5nZW5haS50eXBlc5SM
    B0NvbnRlbnSUk5QpgZR9lChoBX2UKIwFcGFydHOUXZRoP4wEUGFydJSTlCmBlH2UKGgFfZQojBBtZWRp
    YV9yZXNvbHV0aW9ulE6MFWNvZGVfZXhlY3V0aW9uX3Jlc3VsdJROjA9leGVjdXRhYmxlX2NvZGWUTowJ
    ZmlsZV9kYXRhlE6MDWZ1bmN0aW9uX2NhbGyUTowRZnVuY3Rpb25fcmVzcG9uc2WUTowLaW5saW5lX2Rh
    dGGUTowEdGV4dJSMBXNob3J0lIwHdGhvdWdodJROjBF0aG91Z2h0X3NpZ25hdHVyZZROjA52aWRlb19t
    ZXRhZGF0YZROjAl0b29sX2NhbGyUTowNdG9vbF9yZXNwb25zZZROjA1wYXJ0X21ldGFkYXRhlE6ME2F1
    ZGlvX3RyYW5zY3JpcHRpb26UTowQbWVkaWFfcHJvY2Vzc2luZ5ROjA9zcGVlY2hfbWV0YWRhdGGUTnVo
    Mk5oM4+UKGhTkGg1TnViYYwEcm9sZZSMBW1vZGVslHVoMk5oM4+UKGhfaEWQaDVOdWJ1aDJOaDOPlCho
    Pmg9aDyQaDVOdWKMDGVuZF9vZl9hZ2VudJROjAthZ2VudF9zdGF0ZZROjBtyZXdpbmRfYmVmb3JlX2lu
    dm9jYXRpb25faWSUTowFcm91dGWUTowRcmVuZGVyX3VpX3dpZGdldHOUTowSc2V0X21vZGVsX3Jlc3Bv
    bnNllE51aDJOaDOPlChoCGg2aCWQaDVOdWIu
    """
)
"""
Actions with a state, a confirmation, a compaction, a time and a set.
"""

NO_ACTIONS = base64.b64decode(
    """
    gAWVvgEAAAAAAACMH2dvb2dsZS5hZGsuZXZlbnRzLmV2ZW50X2FjdGlvbnOUjAxFdmVudEFjdGlvbnOU
    k5QpgZR9lCiMCF9fZGljdF9flH2UKIwSc2tpcF9zdW1tYXJpemF0aW9ulE6MC3N0YXRlX2RlbHRhlH2U
    jA5hcnRpZmFjdF9kZWx0YZR9lIwRdHJhbnNmZXJfdG9fYWdlbnSUTowPdHJhbnNmZXJfcmVhc29ulE6M
    CGVzY2FsYXRllE6MFnJlcXVlc3RlZF9hdXRoX2NvbmZpZ3OUfZSMHHJlcXVlc3RlZF90b29sX2NvbmZp
    cm1hdGlvbnOUfZSMCmNvbXBhY3Rpb26UTowMZW5kX29mX2FnZW50lE6MC2FnZW50X3N0YXRllE6MG3Jl
    d2luZF9iZWZvcmVfaW52b2NhdGlvbl9pZJROjAVyb3V0ZZROjBFyZW5kZXJfdWlfd2lkZ2V0c5ROjBJz
    ZXRfbW9kZWxfcmVzcG9uc2WUTnWMEl9fcHlkYW50aWNfZXh0cmFfX5ROjBdfX3B5ZGFudGljX2ZpZWxk
    c19zZXRfX5SPlIwUX19weWRhbnRpY19wcml2YXRlX1+UTnViLg==
    """
)
"""
Actions without anything.
"""

ACTIONS_AS_JSON: dict[str, Any] = {
    "state_delta": {
        "topic": None,
        "user:asked": 1,
        "when": "2026-01-02T03:04:05.000006+00:00",
        "tags": ["x"],
    },
    "artifact_delta": {},
    "requested_auth_configs": {},
    "requested_tool_confirmations": {"c1": {"hint": "sure?", "confirmed": False}},
    "compaction": {
        "start_timestamp": 1.0,
        "end_timestamp": 2.0,
        "compacted_content": {"parts": [{"text": "short"}], "role": "model"},
    },
}
"""
What ``ACTIONS`` are as JSON.
"""


class _Touch:
    """
    Pickles as a call that makes a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._path,))


def attacks(path: Path) -> dict[str, bytes]:
    """
    Return pickles each of which would make the file *path* where it is loaded.
    """
    name = str(path).encode()
    command = b"touch " + name
    return {
        "reduce": pickle.dumps(_Touch(path)),
        "system": b"cposix\nsystem\n(V" + command + b"\ntR.",
        "inst": b"(V" + command + b"\niposix\nsystem\n.",
        "obj": b"(cposix\nsystem\nV" + command + b"\no.",
        "eval": b"c__builtin__\neval\n(V__import__('os').system('"
        + command
        + b"')\ntR.",
        "nested": b"(dVstate_delta\ncposix\nsystem\n(V" + command + b"\ntRs.",
        "build": (
            b"cgoogle.adk.events.event_actions\nEventActions\n)\x81"
            b"}V__setstate__\ncposix\nsystem\nsbV" + command + b"\nb."
        ),
        "getattr": (
            b"c__builtin__\ngetattr\n(cos\nenviron\nVclear\ntR)R"
            b"cposix\nsystem\n(V" + command + b"\ntR."
        ),
    }


def bombs() -> dict[str, bytes]:
    """
    Return pickles that take far more memory or time than they are long.
    """
    doubled = b"](" + b"K\x01" * 2 + b"e" + b"q\x00"
    layers = b"".join(
        b"]q" + bytes([n]) + b"(h" + bytes([n - 1]) * 1 + b"h" + bytes([n - 1]) + b"e"
        for n in range(1, 60)
    )
    return {
        "memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "bytes": b"\x80\x04\x8e\x00\x00\x00\x00\x10\x00\x00\x00.",
        "laughs": b"\x80\x02" + doubled + layers + b".",
        "itself": b"\x80\x02]q\x00h\x00a.",
        "deep": b"]" * 100_000 + b"a" * 99_999 + b".",
        "cut": NO_ACTIONS[:-10],
        "nothing": b"",
    }
