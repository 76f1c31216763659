"""
The ports' methods, each carried out in the portal's loop.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from functools import wraps
from typing import Any, cast

from asm_async.errors import StoreClosedError, UnsupportedOperationError
from asm_async.portal.ports_thread import PortsThread
from asm_async.portal.streams import CallersStream, run_in
from asm_async.ports.event_consumer import EventConsumer

STREAMED = frozenset({"reader", "writer"})
"""
The arguments of exports and imports that belong to the caller's loop.
"""


def forward(thread: PortsThread, port: type, name: str) -> Any:
    """
    Return a port whose methods are carried out in the loop of a portal's thread.

    Args:
        thread: The portal's.

        port: The port's protocol.

        name: Which of the open ports it is.
    """
    methods = {
        method: _forwarded(method, function)
        for method, function in inspect.getmembers(port, inspect.isfunction)
        if not method.startswith("_") and method != "aclose"
    }
    forwarding = type(f"Portal{port.__name__}", (_ForwardedPort,), methods)
    return forwarding(thread, name)


class _ForwardedPort:
    """
    What all forwarded ports have in common.
    """

    def __init__(self, thread: PortsThread, name: str) -> None:
        self._thread = thread
        self._name = name
        self._is_closed = False

    def inner(self) -> Any:
        """
        Return the open port.
        """
        return getattr(self._thread.opened, self._name)

    def thread(self) -> PortsThread:
        """
        Return the thread, unless this port was closed.
        """
        if self._is_closed:
            raise StoreClosedError("the store was closed")
        return self._thread

    async def aclose(self) -> None:
        """
        Refuse what comes after; what others use stays open, as an engine would.
        """
        self._is_closed = True


def _forwarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(function):
        kinds = inspect.signature(function, eval_str=True)
        if kinds.return_annotation is EventConsumer:
            return _refused(function)
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
        return await self.thread().run(
            lambda: getattr(self.inner(), name)(*args, **kwargs)
        )

    return call


def _forwarded_stream(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def follow(self: _ForwardedPort, *args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        thread = self.thread()

        def make() -> AsyncGenerator[Any]:
            return cast(
                "AsyncGenerator[Any]", getattr(self.inner(), name)(*args, **kwargs)
            )

        if thread.opened is None:
            return thread.stream(make)
        # What is open refuses a bad argument at the call.
        source = make()
        return thread.stream(lambda: source)

    return follow


def _refused(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise UnsupportedOperationError(
            "a consumer handles its batches where its lease is kept: run all of it in"
            " the portal's loop, with portal.run and portal.opened"
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
        if isinstance(value, AsyncIterable):
            return CallersStream(loop, value)
        if callable(value):
            return lambda *data: run_in(loop, lambda: value(*data))
        return value

    if args:
        return (kept(args[0]), *args[1:]), kwargs
    if name in kwargs:
        return args, {**kwargs, name: kept(kwargs[name])}
    return args, kwargs
