"""
Patterns for the keys and tokens that agents are given, in the formats of today.

Each repetition has a bound, and where an expression could start at many places of one
run of characters, a lookbehind allows the first alone: so each takes time in
proportion to the text, also if an attacker wrote it.
"""

from __future__ import annotations

import re

from asm_async.values.redaction import Pattern


def _form(name: str, regex: str) -> Pattern:
    # Keys are ASCII: a letter of another script beside one is no part of it.
    return Pattern(name, re.compile(regex, re.ASCII))


def _key(name: str, start: str, rest: str) -> Pattern:
    """
    Make the pattern of a key that begins with the literal *start*.
    """
    # Literal text in front is what re looks for by itself, ten times as fast as for a
    # lookbehind: so the lookbehind comes after it and spans it. A backslash before is
    # that of an escaped line end, in JSON that was encoded twice.
    part_of_key = r"[\w-]" if "-]" in rest else r"\w"
    begins = rf"(?:(?<!{part_of_key}{start})|(?<=\\[nrt]{start}))"
    return _form(name, start + begins + rest)


SECRETS: tuple[Pattern, ...] = (
    # Providers of models.
    _key("anthropic_key", "sk-ant-", r"[\w-]{16,512}"),
    _key("openrouter_key", "sk-or-v1-", r"[0-9a-f]{64}"),
    _key("openai_key", "sk-", r"(?:proj|svcacct|admin|None)-[\w-]{20,512}"),
    _key("openai_key", "sk-", r"[A-Za-z0-9]{32,128}"),
    _key("google_api_key", "AIza", r"[\w-]{35}"),
    _key("groq_key", "gsk_", r"[A-Za-z0-9]{32,128}"),
    _key("xai_key", "xai-", r"[A-Za-z0-9]{60,128}"),
    _key("perplexity_key", "pplx-", r"[A-Za-z0-9]{40,128}"),
    _key("replicate_token", "r8_", r"[A-Za-z0-9]{37,64}"),
    _key("huggingface_token", "hf_", r"[A-Za-z0-9]{30,64}"),
    _key("nvidia_key", "nvapi-", r"[\w-]{40,128}"),
    _key("langsmith_key", "lsv2_", r"(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    _key("tavily_key", "tvly-", r"[\w-]{24,128}"),
    # Clouds.
    _key("aws_access_key_id", "A", r"(?:KI|SI)A[A-Z0-9]{16}(?!\w)"),
    _form(
        "aws_secret_access_key",
        r"(?:(?:secret_access_|secret_)key|SECRET_ACCESS_KEY|[sS]ecretAccessKey)\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?"
        r"(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
    ),
    _key("aws_bedrock_key", "ABSK", r"[A-Za-z0-9+/]{100,512}={0,2}"),
    _form("azure_account_key", r"AccountKey=(?P<secret>[A-Za-z0-9+/]{86}==)"),
    _key("google_oauth_token", "ya29", r"\.[\w-]{20,1024}"),
    _key("google_client_secret", "GOCSPX-", r"[\w-]{28}"),
    _key("digitalocean_token", "do", r"[opr]_v1_[0-9a-f]{64}"),
    _key("databricks_token", "dapi", r"[0-9a-f]{32}"),
    # Where code lies, and where packages come from.
    _key("github_token", "gh", r"[opusr]_[A-Za-z0-9]{36,255}"),
    _key("github_token", "github_pat_", r"[A-Za-z0-9_]{22,255}"),
    _key("gitlab_token", "gl", r"(?:pat|dt|rt|cbt|ptt|oas)-[\w.-]{20,255}"),
    _key("npm_token", "npm_", r"[A-Za-z0-9]{36}"),
    _key("pypi_token", "pypi-AgE", r"[\w-]{50,512}"),
    _key("docker_token", "dckr_", r"(?:pat|oat)_[\w-]{20,128}"),
    # Services.
    _key("slack_token", "xox", r"[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,255}"),
    _key("slack_token", "xapp-", r"[A-Za-z0-9-]{20,255}"),
    _form("slack_webhook", r"hooks\.slack\.com/services/(?P<secret>[\w/]{20,128})"),
    _key("stripe_key", "sk_", r"(?:live|test)_[A-Za-z0-9]{16,255}"),
    _key("stripe_key", "rk_", r"(?:live|test)_[A-Za-z0-9]{16,255}"),
    _key("stripe_key", "whsec_", r"[A-Za-z0-9+/]{32,128}"),
    _key("sendgrid_key", "SG", r"\.[\w-]{22}\.[\w-]{43}"),
    _key("shopify_token", "shp", r"(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}"),
    _form("telegram_token", r":AA(?<=[0-9]{8}:AA)[\w-]{33}(?![\w-])"),
    _key("notion_token", "ntn_", r"[A-Za-z0-9]{40,64}"),
    _key("linear_key", "lin_api_", r"[A-Za-z0-9]{40}"),
    _key("vault_token", "hv", r"[bs]\.[\w-]{24,512}"),
    # What is a secret by its form. RFC 7519; RFC 6750; RFC 7468.
    _key("jwt", "eyJ", r"[\w-]{8,4096}\.[\w-]{8,8192}\.[\w-]{8,2048}"),
    _form(
        "bearer_token",
        r"earer(?<=\b[Bb]earer)\s{1,4}(?P<secret>[\w.~+/-]{16,4096}={0,2})",
    ),
    # The whole block; of one that is cut off, its lines as far as they go.
    _form(
        "private_key",
        r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----(?:"
        r"(?:[^-]|-(?!----)){0,16384}-----END [A-Z0-9 ]{1,64}-----|"
        r"(?:(?:\s|\\[nr]){0,8}[A-Za-z0-9+/=]{32,128}){0,256})",
    ),
    _form("url_password", r"://[^\s/:@\"'<>]{0,255}:(?P<secret>[^\s/\"'<>]{1,255})@"),
    _form(
        "assigned_secret",
        # What re looks for by itself is a set of first letters, as they are written: it
        # has none where case is ignored, and then takes ten times as long. Two letters
        # more turn nearly all words away before the names are tried one by one.
        r"[acprsACPRS](?=[aceulprwACEULPRW][cdfistCDFIST])(?i:"
        r"(?<=a)(?:(?:pi|ccess)[_-]?key|(?:ccess|uth)[_-]?token)|"
        r"(?<=c)lient[_-]?secret|(?<=p)(?:ass(?:word|wd|phrase)|wd|rivate[_-]?key)|"
        r"(?<=r)efresh[_-]?token|(?<=s)ecret[_-]?key)"
        r"\\?[\"']?[ \t]{0,4}[:=][ \t]{0,4}(?P<quote>\\?[\"'])?(?P<secret>(?(quote)"
        # In quotes anything; else what has a digit in it, and is neither the path nor
        # the name of something: code and prose speak of passwords all the time. The
        # digit is asked for first, since that takes longest where it is in vain.
        r"[^\r\n]{6,256}?(?=(?P=quote))|"
        r"(?![/~.$<{*\[%])(?=[^\s\"'=&;,0-9]{0,63}+[0-9])(?![\w.]{1,64}+[(\[])"
        r"[^\s\"'=&;,<>(){}\[\]]{6,256}={0,2}))",
    ),
)
"""
Named patterns for a policy: ``RedactionPolicy(patterns=SECRETS)``, or with more beside
them ``SECRETS + (Pattern(...), ...)``.

They find what looks like a secret, by a prefix or a form that little else has. A
password alone looks like nothing: name its member in *keys*.
"""
