"""
Errors as problem details (RFC 9457).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asm_async.errors import (
    ASMError,
    ConflictError,
    NotFoundError,
    StorageError,
    StoreClosedError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.fronts.log_records import LogThrottle, exc_info_of
from asm_async.values.json_values import encode_json

_LOG = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

_RETRY_AFTER = MappingProxyType({"Retry-After": "1"})

_STATUSES: Mapping[type[ASMError], HTTPStatus] = MappingProxyType(
    {
        ValidationError: HTTPStatus.UNPROCESSABLE_ENTITY,
        NotFoundError: HTTPStatus.NOT_FOUND,
        ConflictError: HTTPStatus.CONFLICT,
        UnsupportedOperationError: HTTPStatus.NOT_IMPLEMENTED,
    }
)


class ProblemError(Exception):
    """
    An error as its answer describes it: *code* for programs, *detail* for people.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers: dict[str, str] = dict(headers or {})
        self.described: dict[str, Any] = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status,
            "detail": detail,
            "code": code,
            **members,
        }


class ProblemRoute(APIRoute):
    """
    A route that answers every error with a problem, whatever the application does.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """
        Return what answers a request.
        """
        handle, throttle = super().get_route_handler(), LogThrottle()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
                return problem_of(error, throttle)

        return answer


def add_problem_handlers(app: FastAPI) -> None:
    """
    Answer errors of all routes of *app* with problem details, never with a trace.

    The routes of :func:`~asm_async.integrations.fastapi.router.router` do so anyway;
    this is for the application's own, and for paths and methods that it has not.
    """
    kinds = (ASMError, ProblemError, HTTPException, RequestValidationError, Exception)
    throttle = LogThrottle()

    async def handle(_: Request, error: Exception) -> Response:
        return problem_of(error, throttle)

    for kind in kinds:
        app.add_exception_handler(kind, handle)


def problem_of(error: Exception, throttle: LogThrottle) -> Response:
    """
    Describe an error; an unexpected one is logged, and not shown.

    Args:
        error: What was raised.

        throttle: What bounds the records of many that fail in the same way.
    """
    return problem_response(_described(error, throttle))


def problem_response(problem: ProblemError) -> Response:
    """
    Answer with a problem.
    """
    text = encode_json(problem.described)
    response = Response(text, problem.status, headers=problem.headers)
    response.headers["content-type"] = PROBLEM_JSON
    response.headers["cache-control"] = "no-store"
    return response


def _described(error: Exception, throttle: LogThrottle) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ASMError):
        return _described_ours(error, throttle)
    if isinstance(error, RequestValidationError):
        found = [
            f"{'.'.join(str(step) for step in each['loc'][1:])}: {each['msg']}"
            for each in error.errors()
        ]
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return ProblemError(status, ValidationError.code, "; ".join(found))
    if isinstance(error, HTTPException):
        status, detail = HTTPStatus(error.status_code), str(error.detail)
        return ProblemError(status, "http_error", detail, headers=error.headers)
    throttle.log(
        _LOG,
        logging.ERROR,
        "an unforeseen error",
        key=type(error),
        exc_info=exc_info_of(error),
    )
    return ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something went wrong; it was logged.",
    )


def _described_ours(error: ASMError, throttle: LogThrottle) -> ProblemError:
    if isinstance(error, StoreClosedError):
        status, detail = HTTPStatus.SERVICE_UNAVAILABLE, "The service is closing."
        return ProblemError(status, error.code, detail, headers=_RETRY_AFTER)
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return ProblemError(status, error.code, str(error))
    # A database's message may name hosts, files and statements: it is for the log.
    throttle.log(
        _LOG,
        logging.ERROR,
        "a request failed: %s",
        error,
        key=error.code,
        exc_info=exc_info_of(error),
    )
    is_unknown = isinstance(error, StorageError) and error.outcome_unknown
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    headers: Mapping[str, str] | None = None
    detail = "The request could not be carried out; why was logged."
    if error.retryable:
        status, headers = HTTPStatus.SERVICE_UNAVAILABLE, _RETRY_AFTER
        detail = "The database is busy or out of reach; the same request may succeed."
    return ProblemError(
        status, error.code, detail, headers=headers, outcome_unknown=is_unknown
    )
