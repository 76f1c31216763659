"""
The ports' methods, each carried out in the portal's loop.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import cache, wraps
from typing import Any, Protocol, TypeVar, cast, get_origin

from asm_async.errors import UnsupportedOperationError
from asm_async.portal.contexts import entered
from asm_async.portal.streams import CallersStream, run_in
from asm_async.ports.event_consumer import EventConsumer
from asm_async.ports.together import Ports

T = TypeVar("T")

STREAMED = frozenset({"reader", "writer"})
"""
The arguments of exports and imports that belong to the caller's loop.
"""


class PortsPlace(Protocol):
    """
    Where ports are open, in a loop of their own.
    """

    @property
    def opened_ports(self) -> Ports | None:
        """
        The ports, once they are open.
        """
        ...

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns there.
        """
        ...

    def stream(self, make: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """
        Yield here what a generator yields there.
        """
        ...


def forward(place: PortsPlace, port: type, name: str) -> Any:
    """
    Return a port whose methods are carried out elsewhere.

    Args:
        place: Where.

        port: The port's protocol.

        name: Which of the open ports it is.
    """
    return _forwarding_class(port)(place, name)


@cache
def _forwarding_class(port: type) -> type[_ForwardedPort]:
    methods = {
        method: _forwarded(method, function)
        for method, function in inspect.getmembers(port, inspect.isfunction)
        if not method.startswith("_")
    }
    return type(f"Portal{port.__name__}", (_ForwardedPort,), methods)


class _ForwardedPort:
    """
    What all forwarded ports have in common.
    """

    def __init__(self, place: PortsPlace, name: str) -> None:
        self.place = place
        self._name = name

    def inner(self) -> Any:
        """
        Return the open port.

        Raises:
            UnsupportedOperationError: If the ports that are open lack it.
        """
        port = getattr(self.place.opened_ports, self._name)
        if port is None:
            raise UnsupportedOperationError(
                f"the ports of this portal have no {self._name}"
            )
        return port


def _forwarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(function):
        kinds = inspect.signature(function, eval_str=True)
        if kinds.return_annotation is EventConsumer:
            return _refused(function)
        if get_origin(kinds.return_annotation) is AbstractAsyncContextManager:
            return _forwarded_context(name, function)
        return _forwarded_stream(name, function)
    streamed = STREAMED & set(inspect.signature(function).parameters)
    return _forwarded_call(name, function, *streamed)


def _forwarded_call(
    name: str, function: Callable[..., Any], streamed: str = ""
) -> Callable[..., Any]:
    @wraps(function)
    async def call(self: _ForwardedPort, *args: Any, **kwargs: Any) -> Any:
        if streamed:
            args, kwargs = _keep_in_loop(streamed, args, kwargs)
        return await self.place.run(
            lambda: getattr(self.inner(), name)(*args, **kwargs)
        )

    return call


def _forwarded_stream(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def follow(self: _ForwardedPort, *args: Any, **kwargs: Any) -> AsyncGenerator[Any]:

        def make() -> AsyncGenerator[Any]:
            return cast(
                "AsyncGenerator[Any]", getattr(self.inner(), name)(*args, **kwargs)
            )

        if self.place.opened_ports is None:
            return self.place.stream(make)
        # What is open refuses a bad argument at the call.
        source = make()
        return self.place.stream(lambda: source)

    return follow


def _forwarded_context(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def enter(
        self: _ForwardedPort, *args: Any, **kwargs: Any
    ) -> AbstractAsyncContextManager[None]:
        return entered(
            self.place.run, lambda: getattr(self.inner(), name)(*args, **kwargs)
        )

    return enter


def _refused(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise UnsupportedOperationError(
            "a consumer handles its batches in the event loop that keeps its lease: run"
            " it in the portal's loop, with portal.run and portal.opened"
        )

    return refuse


def _keep_in_loop(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """
    Have the caller's reader or writer called in the caller's loop.

    It is the first argument of its method, by position or by name.
    """
    loop = asyncio.get_running_loop()

    def kept(value: Any) -> Any:
        if hasattr(value, "__aiter__"):
            return CallersStream[Any](loop, value)
        if not callable(value):
            return value
        function = cast("Callable[..., Awaitable[Any]]", value)

        async def call_there(*data: Any) -> Any:
            return await run_in(loop, lambda: function(*data))

        return call_there

    if args:
        return (kept(args[0]), *args[1:]), kwargs
    if name in kwargs:
        return args, {**kwargs, name: kept(kwargs[name])}
    return args, kwargs
