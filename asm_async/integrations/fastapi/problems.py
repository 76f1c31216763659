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
from asm_async.integrations.fastapi.responses import problem

__all__ = ["ProblemError", "ProblemRoute", "add_problem_handlers", "problem_of"]

_LOG = logging.getLogger(__name__)

_RETRY_AFTER = MappingProxyType({"Retry-After": "1"})

_STATUSES: Mapping[type[ASMError], HTTPStatus] = MappingProxyType(
    {
        ValidationError: HTTPStatus.UNPROCESSABLE_ENTITY,
        NotFoundError: HTTPStatus.NOT_FOUND,
        ConflictError: HTTPStatus.CONFLICT,
        UnsupportedOperationError: HTTPStatus.NOT_IMPLEMENTED,
        StoreClosedError: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)


class ProblemError(Exception):
    """
    A problem of HTTP's own, such as a body that is too long.

    Args:
        status: The status to answer with.

        code: The name of the problem for programs.

        detail: The explanation for people.

        headers: Further fields of the response.

        members: Further members of the description.
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
        self.code = code
        self.detail = detail
        self.headers = headers
        self.members = members


class ProblemRoute(APIRoute):
    """
    A route that answers every error with a problem, whatever the application does.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """
        Return what answers a request.
        """
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
                return problem_of(error)

        return answer


def add_problem_handlers(app: FastAPI) -> None:
    """
    Answer errors of all routes of *app* with problem details, never with a trace.

    The routes of :func:`~asm_async.integrations.fastapi.router.router` do so anyway;
    this is for the application's own, and for paths and methods that it has not.
    """
    kinds = (ASMError, ProblemError, HTTPException, RequestValidationError, Exception)
    for kind in kinds:
        app.add_exception_handler(kind, _handle)


async def _handle(_: Request, error: Exception) -> Response:
    return problem_of(error)


def problem_of(error: Exception) -> Response:
    """
    Describe an error; one that was not foreseen is logged, and not shown.
    """
    if isinstance(error, ASMError):
        return _problem_of_ours(error)
    if isinstance(error, ProblemError):
        return problem(
            error.status,
            code=error.code,
            detail=error.detail,
            headers=error.headers,
            **error.members,
        )
    if isinstance(error, RequestValidationError):
        return _problem_of_parameters(error)
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        return problem(
            status,
            code="http_error",
            detail=str(error.detail),
            headers=error.headers,
        )
    _LOG.error("an unforeseen error", exc_info=error)
    return _internal("internal_error", "Something went wrong; it was logged.")


def _problem_of_ours(error: ASMError) -> Response:
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            is_closed = kind is StoreClosedError
            return problem(
                status,
                code=error.code,
                detail="The service is closing." if is_closed else str(error),
                headers=_RETRY_AFTER if is_closed else None,
            )
    # What a database says may name hosts, files and statements: it is for the log.
    _LOG.error("a request failed: %s", error, exc_info=error)
    is_unknown = isinstance(error, StorageError) and error.outcome_unknown
    if not error.retryable:
        detail = "The request could not be carried out; why was logged."
        return _internal(error.code, detail, outcome_unknown=is_unknown)
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return problem(
        status,
        code=error.code,
        detail="The database is busy or out of reach; the same request may succeed.",
        headers=_RETRY_AFTER,
        outcome_unknown=is_unknown,
    )


def _problem_of_parameters(error: RequestValidationError) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    found = [
        f"{'.'.join(str(step) for step in each['loc'][1:])}: {each['msg']}"
        for each in error.errors()
    ]
    return problem(status, code=ValidationError.code, detail="; ".join(found))


def _internal(code: str, detail: str, **members: Any) -> Response:
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, code=code, detail=detail, **members)
