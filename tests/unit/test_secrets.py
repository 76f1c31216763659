"""
The patterns of ``SECRETS``: what they find, what they leave, and how long they take.
"""

from __future__ import annotations

import re
import time

import pytest

from asm_async.redaction import SECRETS, Pattern, RedactionPolicy

POLICY = RedactionPolicy(patterns=SECRETS)
LETTERS = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z" * 10

# Put together, so that nobody who searches this file for secrets finds one.
KEYS = [
    ("anthropic_key", "sk-ant-" + "api03-" + LETTERS[:95]),
    ("openrouter_key", "sk-or-" + "v1-" + "0123456789abcdef" * 4),
    ("openai_key", "sk-" + "proj-" + LETTERS[:156]),
    ("openai_key", "sk-" + "svcacct-" + LETTERS[:120]),
    ("openai_key", "sk-" + LETTERS[:48]),
    ("google_api_key", "AI" + "za" + LETTERS[:35]),
    ("groq_key", "gs" + "k_" + LETTERS[:52]),
    ("xai_key", "xa" + "i-" + LETTERS[:80]),
    ("perplexity_key", "pp" + "lx-" + LETTERS[:48]),
    ("replicate_token", "r8" + "_" + LETTERS[:37]),
    ("huggingface_token", "h" + "f_" + LETTERS[:34]),
    ("nvidia_key", "nv" + "api-" + LETTERS[:64]),
    ("langsmith_key", "lsv2" + "_pt_" + "0a" * 16 + "_" + "1b" * 5),
    ("tavily_key", "tv" + "ly-dev-" + LETTERS[:32]),
    ("aws_access_key_id", "AK" + "IA" + "ABCDEFGHIJ234567"),
    ("aws_access_key_id", "AS" + "IA" + "ABCDEFGHIJ234567"),
    ("aws_bedrock_key", "AB" + "SK" + LETTERS[:128] + "="),
    ("google_oauth_token", "ya" + "29." + LETTERS[:100]),
    ("google_client_secret", "GOC" + "SPX-" + LETTERS[:28]),
    ("digitalocean_token", "do" + "p_v1_" + "0123456789abcdef" * 4),
    ("databricks_token", "da" + "pi" + "0123456789abcdef" * 2),
    ("github_token", "gh" + "p_" + LETTERS[:36]),
    ("github_token", "gh" + "s_" + LETTERS[:36]),
    ("github_token", "github" + "_pat_" + LETTERS[:22] + "_" + LETTERS[:59]),
    ("gitlab_token", "gl" + "pat-" + LETTERS[:20]),
    ("npm_token", "np" + "m_" + LETTERS[:36]),
    ("pypi_token", "py" + "pi-AgEIcHlwaS5vcmc" + LETTERS[:150]),
    ("docker_token", "dck" + "r_pat_" + LETTERS[:27]),
    ("slack_token", "xo" + "xb-123456789012-1234567890123-" + LETTERS[:24]),
    ("slack_token", "xa" + "pp-1-A0123456789-1234567890123-" + "0a" * 32),
    ("stripe_key", "sk" + "_live_" + LETTERS[:24]),
    ("stripe_key", "rk" + "_test_" + LETTERS[:99]),
    ("stripe_key", "wh" + "sec_" + LETTERS[:32]),
    ("sendgrid_key", "S" + "G." + LETTERS[:22] + "." + LETTERS[:43]),
    ("shopify_token", "shp" + "at_" + "0123456789abcdef" * 2),
    ("notion_token", "nt" + "n_" + LETTERS[:46]),
    ("linear_key", "lin" + "_api_" + LETTERS[:40]),
    ("vault_token", "hv" + "s." + LETTERS[:90]),
    ("jwt", ".".join(["ey" + "J" + LETTERS[:33], "eyJ" + LETTERS[:70], LETTERS[:43]])),
]
BLOCK = (
    "-----BEGIN {0}-----\nProc-Type: 4,ENCRYPTED\n\n"
    + (LETTERS[:64] + "\n") * 25
    + "ab==\n-----END {0}-----"
)
IN_CONTEXT = [
    ("telegram_token", "bot12345678", ":AA" + LETTERS[:33], "/getMe"),
    ("slack_webhook", "https://hooks.slack.com/services/", "T0/B0/" + LETTERS[:24], ""),
    ("azure_account_key", "AccountKey=", LETTERS[:86] + "==", ";"),
    ("aws_secret_access_key", "SECRET_ACCESS_KEY=", LETTERS[:36] + "/+ab", "\n"),
    ("aws_secret_access_key", '"SecretAccessKey": "', LETTERS[:40], '"'),
    ("bearer_token", "Authorization: Bearer ", LETTERS[:40] + "==", "\r\n"),
    ("private_key", "\n", BLOCK.format("RSA PRIVATE KEY"), "\nthe end"),
    ("private_key", "", BLOCK.format("PRIVATE KEY"), ""),
    ("private_key", '"', BLOCK.format("PRIVATE KEY").replace("\n", "\\n"), '\\n"'),
    ("private_key", "", BLOCK.format("OPENSSH PRIVATE KEY"), ""),
    ("private_key", "", BLOCK.format("PGP PRIVATE KEY BLOCK"), ""),
    ("private_key", "", "-----BEGIN PRIVATE KEY-----\n" + LETTERS[:64], "\n the end"),
    ("url_password", "postgresql://ada:", "hunter2", "@db.example/asm"),
    ("url_password", "redis://:", "p%40ss", "@localhost:6379/0"),
    ("url_password", "mysql://ada:", "with@in", "@db.example"),
    ("assigned_secret", "DB_PASSWORD=", "hunter2", "\n"),
    ("assigned_secret", '{"password": "', "correct horse", '"}'),
    ("assigned_secret", '{\\"api_key\\": \\"', "0123456789ab", '\\"}'),
    ("assigned_secret", "client_secret='", 'a"b"c"d', "'"),
    ("assigned_secret", "?access_token=", "a1b2c3d4", "&page=2"),
]


@pytest.mark.parametrize(("name", "key"), KEYS)
@pytest.mark.parametrize(
    "around", ["{}", "use {}, please", 'k="{}"', "\u5bc6\u94a5{}\u3002", "\\n{}\\n"]
)
def test_a_key_is_found_and_named(name: str, key: str, around: str) -> None:
    """
    The whole key is replaced by what it was, whatever stands around it.
    """
    text = around.format(key)

    assert POLICY.redact_text(text) == around.format(f"[redacted:{name}]")


@pytest.mark.parametrize(("name", "before", "secret", "after"), IN_CONTEXT)
def test_what_tells_a_secret_stays(
    name: str, before: str, secret: str, after: str
) -> None:
    """
    Of what is known by its neighbours the secret alone is replaced.
    """
    redacted = POLICY.redact_text(before + secret + after)

    assert redacted == f"{before}[redacted:{name}]{after}"


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn and task-project-management-with-many-words-in-a-row",
        "risk-proj-0123456789012345678901234567890123456789",
        "sk-1234",
        "AKIA is how they begin; AKIAABCDEFGHIJ234567X is too long",
        "ghp_short and gh_0123456789012345678901234567890123456789",
        "eyJhbGciOiJIUzI1NiJ9 alone is a header; eyJ.a.b is nothing",
        "the bearer of this letter; Bearer token",
        "-----BEGIN PUBLIC KEY-----\n" + LETTERS[:64] + "\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\n" + LETTERS[:64] + "\n-----END CERTIFICATE-----",
        "https://example.com:8080/a@b and mailto:ada@example.com, 12:30@noon",
        "postgresql://ada@db.example/asm",
        "password: str | None = None",
        "password = getpass.getpass1()",
        "PWD=/home/ada/project1 OLDPWD=/home/ada2",
        "api_key=$API_KEY1 password=<password1> password={{ pw1 }} password=********",
        "Passwords: at least 12 characters. max_tokens=123456, total_tokens: 4096000",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "0190c2a5-7c1e-7bbb-8a55-0123456789ab 4111 1111 1111 1111",
        "data:image/png;base64," + LETTERS,
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """
    Prose, code, ids, hashes and public keys come through as they are.
    """
    assert POLICY.redact_text(text) == text


@pytest.mark.parametrize("text", [key for _, key in KEYS])
def test_one_that_is_redacted_again_stays(text: str) -> None:
    """
    Once is enough, also on lines of their own, or behind a name.
    """
    for together in (text, f"{text}\n{text}", f"password={text}"):
        once = POLICY.redact_text(together)

        assert POLICY.redact_text(once) == once
        assert LETTERS[:16] not in once


def test_each_pattern_is_tried_and_bounded() -> None:
    """
    Each has an example here, a plain name, and no repetition without a bound.
    """
    tried = {name for name, *_ in [*KEYS, *IN_CONTEXT]}

    assert {pattern.name for pattern in SECRETS} == tried
    for pattern in SECRETS:
        assert re.fullmatch("[a-z_]+", pattern.name)
        literal = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "", pattern.regex.pattern)
        # A plus behind a bound only says that nothing of it is given back.
        assert not re.search(r"\*|(?<!\})\+|,\}", literal)


HEADS = [
    *{key[:length] for _, key in KEYS for length in (3, 9, 30)},
    *(before for _, before, _, _ in IN_CONTEXT if before),
    *(before + secret[:5] for _, before, secret, _ in IN_CONTEXT),
    *("pwd=", "pwd='", "pwd=a", "://a:", "a://b:c", "-----", "-----BEGIN A ", "eyJa."),
    *("eyJ-", "1", "-", ".", "=", "\\", " ", "a.", "Bearer "),
]


@pytest.mark.parametrize("filling", ["", "a" * 40, " "])
def test_the_time_is_in_proportion_to_the_text(filling: str) -> None:
    """
    No beginning of a secret, repeated, makes the search much slower than plain text.

    In 64 KiB a search that looked through the rest of the text for each beginning would
    take a thousand times as long as this bound allows for all of them together.
    """
    began = time.process_time()
    for head in HEADS:
        unit = head + filling
        POLICY.redact_text(unit * (65_536 // len(unit)))

    assert time.process_time() - began < 0.25 * len(HEADS)


def test_they_are_joined_by_patterns_of_ones_own() -> None:
    """
    A tuple of patterns: more are added to it, and some can be left out.
    """
    own = RedactionPolicy(
        patterns=(*SECRETS, Pattern("ticket", r"TCK-[0-9]{6}")),
        replacement="<{name}>",
    )

    assert own.redact_text("TCK-123456 DB_PASSWORD=hunter2") == (
        "<ticket> DB_PASSWORD=<assigned_secret>"
    )
