"""
A server that speaks as S3 does, until it is told to fail.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

_FRACTION = re.compile(rb"(<LastModified>[^<.]+)\.[0-9]{3}[0-9]*Z<")


@attrs.define
class Fault:
    """
    What happens to requests that fit.
    """

    fits: Callable[[str, str], bool]
    """
    Called with the method and the path with its query.
    """

    status: str | None
    """
    What is answered; None for no answer.
    """

    times: int
    """
    How often it will happen still.
    """

    is_done: bool
    """
    Whether the request is carried out all the same.
    """


class FaultyServer:
    """
    Moto behind a gate, whose lists tell times in whole seconds.
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._faults: list[Fault] = []
        self._let_go = threading.Event()
        self._server = make_server(
            "127.0.0.1",
            0,
            self._handle,
            threaded=True,
            request_handler=MotoRequestHandler,
        )
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.requests = list[str]()

    @property
    def endpoint(self) -> str:
        """
        Its address.
        """
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """
        Serve, in a thread.
        """
        self._thread.start()

    def stop(self) -> None:
        """
        Answer what waits, and end.
        """
        self._let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @contextmanager
    def failing(
        self,
        status: str | None,
        *,
        fits: Callable[[str, str], bool] = lambda _method, _path: True,
        times: int = 1_000_000,
        is_done: bool = False,
    ) -> Iterator[None]:
        """
        Answer requests with *status*, or with silence if it is None.
        """
        fault = Fault(fits, status, times, is_done)
        self._faults.append(fault)
        try:
            yield
        finally:
            self._faults.remove(fault)
            self._let_go.set()
            self._let_go = threading.Event()

    def _handle(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
        self.requests.append(f"{environ['REQUEST_METHOD']} {path}")
        for fault in self._faults:
            if fault.times > 0 and fault.fits(environ["REQUEST_METHOD"], path):
                fault.times -= 1
                return self._fail(fault, environ, start_response)
        answer: Iterable[bytes] = self._app(environ, start_response)
        if "list-type=2" not in path:
            return answer
        # As S3 does, and moto does not.
        return [_FRACTION.sub(rb"\1.000Z<", b"".join(answer))]

    def _fail(
        self, fault: Fault, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        if fault.status is None:
            self._let_go.wait(60)
        if fault.is_done:
            b"".join(self._app(environ, lambda *_: None))
        else:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            environ["wsgi.input"].read(length)
        status = fault.status or "503 Slow Down"
        start_response(status, [("Content-Type", "application/xml")])
        return [b"<Error><Code>Fault</Code></Error>"]
