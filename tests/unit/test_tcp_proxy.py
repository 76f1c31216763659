"""
The proxy that brings misfortune about, on the way to a server that echoes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias

import pytest

from asm_async.testing.faults import Direction, Moment, ProxyAct, TCPProxy

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HELD_SECONDS = 0.05
LONG_SECONDS = 30
LONGEST_LINE = 2_000_000


class Server:
    """
    A server that answers each line with the same in capitals, and remembers it.
    """

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.ended = asyncio.Event()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """
        Answer one client until it has no more to say.
        """
        try:
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line.upper())
        except ConnectionResetError:
            pass
        finally:
            self.ended.set()
            writer.close()


@pytest.fixture
def server() -> Server:
    """
    Return the server that the proxy leads to.
    """
    return Server()


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[TCPProxy]:
    """
    Yield a way to the server, and prove in the end that no task is left.
    """
    listening = await asyncio.start_server(
        server.serve, "127.0.0.1", 0, limit=LONGEST_LINE
    )
    async with TCPProxy("127.0.0.1", listening.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    listening.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=LONG_SECONDS)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def client(proxy: TCPProxy) -> AsyncIterator[Streams]:
    """
    Yield a connection by the way.
    """
    streams = await asyncio.open_connection("127.0.0.1", proxy.port, limit=LONGEST_LINE)
    yield streams
    streams[1].close()


async def ask(client: Streams, line: bytes) -> bytes:
    """
    Say a line and give the answer; nothing if the connection breaks.
    """
    client[1].write(line)
    async with asyncio.timeout(LONG_SECONDS):
        try:
            return await client[0].readline()
        except ConnectionResetError:
            return b""


async def is_silent(client: Streams) -> bool:
    """
    Return whether nothing comes for some time.
    """
    reading = asyncio.ensure_future(client[0].read(1))
    await asyncio.wait({reading}, timeout=HELD_SECONDS)
    is_silent = not reading.done()
    reading.cancel()
    await asyncio.wait({reading})
    return is_silent


async def test_everything_goes_through_until_told_otherwise(
    client: Streams, server: Server, proxy: TCPProxy
) -> None:
    """
    Messages and answers arrive as they were sent, however large, and are counted.
    """
    large = b"x" * (LONGEST_LINE // 2) + b"\n"
    assert await ask(client, b"one\n") == b"ONE\n"
    assert await ask(client, large) == large.upper()
    client[1].write_eof()
    assert await client[0].read() == b""
    assert server.heard == [b"one\n", large]
    assert proxy.round_trips == 2


@pytest.mark.parametrize(
    ("moment", "heard"),
    [
        (Moment.BEFORE_SEND, [b"one\n"]),
        (Moment.AFTER_SEND, [b"one\n", b"two\n"]),
        (Moment.BEFORE_ANSWER, [b"one\n", b"two\n"]),
    ],
)
async def test_a_cut_comes_at_its_message_and_moment(
    client: Streams,
    server: Server,
    proxy: TCPProxy,
    moment: Moment,
    heard: list[bytes],
) -> None:
    """
    The server has heard the message or not; the client never hears an answer to it.
    """
    fault = proxy.arm(ProxyAct.CUT, b"two", moment=moment)
    assert await ask(client, b"one\n") == b"ONE\n"
    assert not fault.happened.is_set()
    answer = await ask(client, b"two\n")
    async with asyncio.timeout(LONG_SECONDS):
        await server.ended.wait()

    assert fault.happened.is_set()
    assert server.heard == heard
    # Once the server has the message, its answer races with the end.
    assert answer == b"" or moment is Moment.AFTER_SEND


async def test_a_message_can_be_cut_in_two(
    client: Streams, server: Server, proxy: TCPProxy
) -> None:
    """
    So many bytes get through, and then the connection breaks.
    """
    proxy.arm(ProxyAct.CUT, b"question", after_bytes=5)
    assert await ask(client, b"question\n") == b""
    async with asyncio.timeout(LONG_SECONDS):
        await server.ended.wait()
    assert server.heard in ([b"quest"], [])


async def test_an_answer_can_be_cut_in_two(client: Streams, proxy: TCPProxy) -> None:
    """
    The client gets the beginning of an answer, and no more.
    """
    proxy.arm(ProxyAct.CUT, b"QUEST", direction=Direction.ANSWERS, after_bytes=5)
    assert await ask(client, b"question\n") in {b"QUEST", b""}


async def test_bytes_are_counted_over_messages(
    client: Streams, proxy: TCPProxy
) -> None:
    """
    Without a marker the first bytes that come count, and those after them.
    """
    fault = proxy.arm(ProxyAct.CUT, after_bytes=6)
    assert await ask(client, b"one\n") == b"ONE\n"
    assert not fault.happened.is_set()
    assert await ask(client, b"two\n") == b""
    assert fault.happened.is_set()


async def test_what_is_stalled_goes_on_when_released(
    client: Streams, proxy: TCPProxy
) -> None:
    """
    An answer waits, and is whole in the end.
    """
    fault = proxy.arm(ProxyAct.STALL, b"one", moment=Moment.BEFORE_ANSWER)
    client[1].write(b"one\n")
    await fault.happened.wait()
    assert await is_silent(client)
    fault.released.set()
    assert await client[0].readline() == b"ONE\n"


async def test_a_half_closed_way_lets_answers_through(
    client: Streams, server: Server, proxy: TCPProxy
) -> None:
    """
    The server is told that there is no more; what it had to say still arrives.
    """
    fault = proxy.arm(ProxyAct.HALF_CLOSE, b"one", moment=Moment.AFTER_SEND)
    assert await ask(client, b"one\n") == b"ONE\n"
    assert await ask(client, b"two\n") == b""
    assert fault.happened.is_set()
    assert server.heard == [b"one\n"]


async def test_a_marker_is_found_where_messages_meet(
    client: Streams, server: Server, proxy: TCPProxy
) -> None:
    """
    It may arrive in two pieces; its first then is through already.
    """
    fault = proxy.arm(ProxyAct.CUT, b"two")
    stalled = proxy.arm(ProxyAct.STALL, b"t")
    client[1].write(b"t")
    await stalled.happened.wait()
    stalled.released.set()
    assert await ask(client, b"wo\n") == b""
    assert fault.happened.is_set()
    assert server.heard in ([b"t"], [])


async def test_messages_before_the_chosen_one_pass(
    client: Streams, proxy: TCPProxy
) -> None:
    """
    The third of a kind can be the one.
    """
    fault = proxy.arm(ProxyAct.CUT, b"x", skip=2)
    answers = [await ask(client, line) for line in (b"x1\n", b"y\n", b"x2\n", b"x3\n")]
    assert answers == [b"X1\n", b"Y\n", b"X2\n", b""]
    assert fault.happened.is_set()


async def test_what_is_disarmed_does_not_happen(
    client: Streams, proxy: TCPProxy
) -> None:
    """
    A fault that is forgotten befalls nobody.
    """
    proxy.arm(ProxyAct.CUT, b"one")
    proxy.disarm()
    assert await ask(client, b"one\n") == b"ONE\n"


async def test_a_blocked_way_lets_nobody_in(client: Streams, proxy: TCPProxy) -> None:
    """
    Those who are through stay; others are turned away, until the way is open again.
    """
    assert await ask(client, b"zero\n") == b"ZERO\n"
    proxy.is_blocked = True
    other = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await ask(other, b"one\n") == b""
    assert await ask(client, b"two\n") == b"TWO\n"
    proxy.is_blocked = False
    third = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await ask(third, b"three\n") == b"THREE\n"
    for _, writer in (other, third):
        writer.close()


async def test_all_connections_can_be_cut(client: Streams, proxy: TCPProxy) -> None:
    """
    Whoever is through loses the connection at once.
    """
    assert await ask(client, b"one\n") == b"ONE\n"
    proxy.cut_connections()
    assert await ask(client, b"two\n") == b""


async def test_a_server_that_is_not_there_is_a_broken_connection() -> None:
    """
    The proxy stands where its server does not, and says so by hanging up.
    """
    nobody = await asyncio.start_server(Server().serve, "127.0.0.1", 0)
    port = nobody.sockets[0].getsockname()[1]
    nobody.close()
    await nobody.wait_closed()
    async with TCPProxy("127.0.0.1", port) as proxy:
        client = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await ask(client, b"one\n") == b""
        client[1].close()


async def test_a_url_by_the_way_differs_in_the_place_alone(proxy: TCPProxy) -> None:
    """
    User, password, database and query stay.
    """
    told = proxy.url("postgresql://me:p%40ss@db.example:5432/mine?a=b")
    assert told == f"postgresql://me:p%40ss@127.0.0.1:{proxy.port}/mine?a=b"
    assert proxy.url("redis://db") == f"redis://127.0.0.1:{proxy.port}"


async def test_a_silent_way_holds_everything_back(
    proxy: TCPProxy, client: Streams
) -> None:
    """
    Until it speaks again nothing comes, and nothing is closed or lost.
    """
    proxy.fall_silent()
    client[1].write(b"held\n")

    assert await is_silent(client)
    proxy.speak()
    assert await ask(client, b"next\n") == b"HELD\n"


async def test_what_connects_to_a_silent_way_may_get_through(
    proxy: TCPProxy, client: Streams
) -> None:
    """
    As where one connection is dead, and its server is not.
    """
    assert await ask(client, b"one\n") == b"ONE\n"
    proxy.fall_silent(lets_new_through=True)
    another = await asyncio.open_connection("127.0.0.1", proxy.port)

    assert await ask(another, b"new\n") == b"NEW\n"
    client[1].write(b"old\n")
    assert await is_silent(client)
    another[1].close()
