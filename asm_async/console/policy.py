"""
What browsers are told with each answer, and which hosts are answered at all.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asm_async.integrations.fastapi.problems import ProblemError, problem_response

# Images may be those that a message has within itself; none has an address elsewhere.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
"""
What a page may load and do (Content Security Policy, level 3): nothing from elsewhere,
and no script or style that stands in a document.
"""

_HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": CONTENT_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)


class SecureHeaders:
    """
    Middleware that adds these fields to every answer that does not have them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer a request.
        """

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                # What was stored is kept in no cache; files of the page say otherwise.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, secured)


class KnownHosts:
    """
    Middleware that answers only requests to these names of the server.

    A page of another site whose name is made to point at this machine (DNS rebinding)
    is the same origin for the browser, and would read everything; its name is still in
    the field ``Host``.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Answer a request, or refuse it.
        """
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            if host_name(host) not in self._hosts:
                refusal = ProblemError(
                    HTTPStatus.BAD_REQUEST,
                    "unknown_host",
                    "This console is not served under that name. Behind a proxy, start"
                    " it with the name that browsers use as an allowed host.",
                )
                await problem_response(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def host_name(host: str) -> str:
    """
    Return what stands in the field ``Host`` without its port, in lower case.
    """
    name, colon, port = host.rpartition(":")
    has_port = bool(colon) and not port.endswith("]")
    return (name if has_port else host).strip("[]").lower()
