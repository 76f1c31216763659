"""
TLS as libpq has it: whom to believe, and who one is.

The driver reads certificates by itself where they lie in their usual place or in the
environment (PGSSLROOTCERT and others); those that a URL names are read here.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path

import attrs

from asm_async.errors import ValidationError

SYSTEM = "system"
"""
In place of a file: the authorities that the operating system trusts.
"""

VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

_DIRECTORY = ".postgresql"


@attrs.frozen(kw_only=True)
class TLS:
    """
    What a URL says of TLS; attributes are named as libpq's parameters.

    Files are read again for each connection, so that those that expire can be replaced.
    """

    sslmode: str
    """
    ``require``, ``verify-ca`` or ``verify-full``.
    """

    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = attrs.field(default=None, repr=False)
    sslcrl: str | None = None
    ssl_min_protocol_version: str = "TLSv1.2"
    ssl_max_protocol_version: str | None = None

    def context(self) -> ssl.SSLContext:
        """
        Read the files.

        Raises:
            ValidationError: If one cannot be read or is none such, or there is nothing
                to compare the server's certificate with.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.sslmode == "verify-full"
        context.minimum_version = _version(self.ssl_min_protocol_version)
        if self.ssl_max_protocol_version is not None:
            context.maximum_version = _version(self.ssl_max_protocol_version)
        if ssl.HAS_ALPN:
            context.set_alpn_protocols(["postgresql"])
        self._load_authorities(context)
        self._load_certificate(context)
        return context

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        root = self.sslrootcert or os.environ.get("PGSSLROOTCERT") or _usual("root.crt")
        if root == SYSTEM:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        elif root is not None:
            _load("sslrootcert", root, lambda: context.load_verify_locations(root))
        elif self.sslmode == "require":
            # As libpq has it: encrypted, whichever server it is.
            context.verify_mode = ssl.CERT_NONE
        else:
            raise ValidationError(
                f"url: sslmode={self.sslmode} needs root certificates to verify the"
                " server's: give sslrootcert=FILE, or sslrootcert=system for those that"
                " the system trusts, set PGSSLROOTCERT, or put them into"
                f" ~/{_DIRECTORY}/root.crt"
            )
        crl = self.sslcrl or os.environ.get("PGSSLCRL") or _usual("root.crl")
        if crl is not None:
            _load("sslcrl", crl, lambda: context.load_verify_locations(crl))
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        cert = self.sslcert or os.environ.get("PGSSLCERT") or _usual("postgresql.crt")
        key = self.sslkey or os.environ.get("PGSSLKEY") or _usual("postgresql.key")
        if cert is not None:
            # Without a password OpenSSL would ask for one at the terminal.
            password = self.sslpassword or ""
            load = context.load_cert_chain
            _load("sslcert, sslkey", cert, lambda: load(cert, key, lambda: password))


def _version(name: str) -> ssl.TLSVersion:
    return ssl.TLSVersion[name.replace(".", "_")]


def _usual(name: str) -> str | None:
    try:
        path = Path.home() / _DIRECTORY / name
        return str(path) if path.exists() else None
    except (OSError, RuntimeError):
        return None


def _load(parameter: str, path: str, load: Callable[[], object]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
        raise ValidationError(
            f"url: {parameter}: {path!a} cannot be read: {reason or error}"
        ) from error
