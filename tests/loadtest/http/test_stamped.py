"""Stamped connections: as true as the kernel, and as tidy as an event loop's own."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from tests.loadtest.conftest import raw_server, says
from tests.loadtest.http.asking import ask, get

from keiko_perf.loadtest import ConstantRate, Failure, Plan, Users, run
from keiko_perf.loadtest.engine.instants import Instants, stamp
from keiko_perf.loadtest.http import stamped
from keiko_perf.loadtest.http.connection import Http1Channel
from keiko_perf.loadtest.http.http1 import HttpTransport
from keiko_perf.loadtest.http.stamped import Stamped

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE = 50 * 1024 * 1024
pytestmark = pytest.mark.usefixtures("nothing_left")


class Notes(asyncio.Protocol):
    """What a connection tells, in order."""

    def __init__(self, made: Callable[[asyncio.Transport], None] = lambda _: None) -> None:
        self.told: list[object] = []
        self.received = bytearray()
        self.lost = asyncio.get_running_loop().create_future()
        self.came, self.resumed = asyncio.Event(), asyncio.Event()
        self._made = made

    def connection_made(self, transport) -> None:
        self.transport = transport
        self._made(transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.came.set()

    def eof_received(self) -> None:
        self.told.append("eof")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")
        self.resumed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")
        self.lost.set_result(exc)


@contextmanager
def in_a_thread(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serves one connection in a thread, whatever holds up the event loop; yields the port."""

    def accept() -> None:
        with listening.accept()[0] as connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join(30)


@asynccontextmanager
async def connected(
    behaviour, *, instants: Instants | None = None, **notes
) -> AsyncIterator[tuple[Notes, Stamped]]:
    async with raw_server(behaviour) as url:
        told = Notes(**notes)
        host, _, port = url.removeprefix("http://").partition(":")
        await stamped.connect(told, host, int(port), instants or Instants())
        try:
            yield told, told.transport
        finally:
            told.transport.abort()
            await asyncio.wait_for(told.lost, 10)


# Instants


async def test_an_answer_that_lies_in_the_kernel_came_when_it_came():
    """The event loop is held up from each request on until long after the answer."""
    answered, answered_at = threading.Semaphore(0), []

    def serve(connection: socket.socket) -> None:
        while connection.recv(4096):
            connection.sendall(OK)
            answered_at.append(time.perf_counter())
            answered.release()

    instants, in_time = Instants(), []
    with in_a_thread(serve) as port:
        told = Notes()
        await stamped.connect(told, "127.0.0.1", port, instants)
        for number in range(1, 21):
            sent = time.perf_counter()
            told.transport.write(b"?")
            assert answered.acquire(timeout=30)
            while time.perf_counter() < answered_at[-1] + 0.005:
                pass
            held_until = time.perf_counter()
            while len(told.received) < number * len(OK):
                await asyncio.wait_for(told.came.wait(), 30)
                told.came.clear()
            assert sent <= instants.received
            in_time.append(instants.received < held_until)
        told.transport.abort()
        await asyncio.wait_for(told.lost, 10)
    with socket.socket() as one:
        knows_how = stamp(one)
    # The kernel begins to stamp a little after it is asked to.
    assert sum(in_time) >= 10 if knows_how else not any(in_time)


async def test_nothing_leaves_before_its_instant():
    came_at: list[float] = []

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        came_at.append(time.perf_counter())

    instants = Instants()
    with in_a_thread(serve) as port:
        told = Notes()
        await stamped.connect(told, "127.0.0.1", port, instants)
        instants.not_before = due = time.perf_counter() + 0.01
        told.transport.write(b"?")
        assert due <= instants.sent
        await asyncio.wait_for(told.lost, 10)
    assert came_at[0] >= due
    assert told.told == ["eof", "lost"]


class Watching(HttpTransport):
    """Sees each request as its owner does: when it was due, sent and done, by the channel."""

    def channel(self, owner):
        seen = self.seen

        class Seen:
            prompt = delivery = None

            def answered(self, channel, status):
                seen.append((channel.due, channel.sent, transport.clock()))
                owner.answered(channel, status)

            def __getattr__(self, name):
                return getattr(owner, name)

        transport = self
        return super().channel(Seen())

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.seen: list[tuple[float, float, float]] = []


@pytest.mark.parametrize("load", [ConstantRate(200), Users(4, think_s=0.02)])
async def test_a_request_is_due_then_sent_then_answered(load):
    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=load, duration_s=0.4, connections=4)
        transport = Watching(plan)
        result = await run(plan, transport=transport)
    assert not result.errors
    assert len(transport.seen) == result.offered
    assert all(due <= sent <= done for due, sent, done in transport.seen)
    assert result.steps[0].lag.succeeded.count == result.offered


# The connection


async def test_what_does_not_go_at_once_goes_later_and_all_of_it():
    body = bytes(range(256)) * (LARGE // 256)
    may_read = asyncio.Event()

    async def behave(reader, writer):
        await may_read.wait()
        got = await reader.readexactly(2 * LARGE)
        writer.write(b"same" if got == 2 * body else b"other")

    async with connected(behave) as (told, connection):
        connection.write(body)
        connection.write(body)
        assert told.told == ["pause"]
        may_read.set()
        await asyncio.wait_for(told.resumed.wait(), 60)
        assert await asyncio.wait_for(told.lost, 60) is None
    assert told.received == b"same"
    assert told.told == ["pause", "resume", "eof", "lost"]


async def test_whoever_stops_sending_is_left():
    async with connected(says(b"", then_closes=True)) as (told, connection):
        connection.write(b"\r\n\r\n")
        assert await asyncio.wait_for(told.lost, 10) is None
        assert connection.is_closing()
        connection.write(b"never")
    assert told.told == ["eof", "lost"]


async def test_a_reset_is_told_and_not_raised():
    async def behave(reader, writer):
        await reader.read(1)
        writer.transport.abort()

    async with connected(behave) as (told, connection):
        connection.write(b"x" * LARGE)  # what lies unread makes a reset of the close
        error = await asyncio.wait_for(told.lost, 10)
        assert isinstance(error, ConnectionError)
        connection.write(b"never")
    assert told.told == ["pause", "lost"]


async def test_it_ended_when_it_did_and_not_when_another_connection_read_last():
    instants, loop = Instants(), asyncio.get_running_loop()

    class Noting(Notes):
        ended = told_as = 0.0

        def eof_received(self) -> None:
            self.ended = instants.last()
            loop.call_soon(lambda: instants.came((), after=self.ended))  # another one reads
            super().eof_received()

        def connection_lost(self, exc: Exception | None) -> None:
            self.told_as = instants.last()
            super().connection_lost(exc)

    with in_a_thread(lambda connection: connection.recv(4096)) as port:
        told = Noting()
        await stamped.connect(told, "127.0.0.1", port, instants)
        told.transport.write(b"x")
        await asyncio.wait_for(told.lost, 10)
    assert told.told_as == told.ended > 0


async def test_a_connection_may_be_given_up_while_it_is_told_of():
    async with connected(says(OK), made=lambda transport: transport.abort()) as (told, _):
        assert await asyncio.wait_for(told.lost, 10) is None
    assert told.told == ["lost"]


async def test_nobody_there_leaves_no_socket():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await stamped.connect(Notes(), "127.0.0.1", taken.getsockname()[1], Instants())


async def test_a_connection_that_is_given_up_while_it_is_made_leaves_no_socket():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            tasks = [
                asyncio.ensure_future(stamped.connect(Notes(), "127.0.0.1", port, Instants()))
                for _ in range(4)
            ]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)


async def test_a_connection_dies_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        async with connected(says(OK)) as (told, connection):
            connection.write(b"\r\n\r\n")
        dead = weakref.ref(told)
        del told, connection
        await asyncio.sleep(0)
        assert dead() is None  # the one that both refer to
    finally:
        gc.enable()


# Where it is used


async def test_only_what_has_time_for_it_and_is_not_secured_is_stamped(tmp_path):
    async def is_stamped(**options) -> bool:
        transport = HttpTransport(Plan(duration_s=1, **options))
        await transport.open()
        await transport.close()
        return transport.instants is not None

    with socket.socket() as one:
        knows_how = stamp(one)
    assert await is_stamped(base_url="http://127.0.0.1") is knows_how
    assert not await is_stamped(base_url="http://127.0.0.1", load=Users(1))
    assert not await is_stamped(base_url="https://127.0.0.1")
    assert not await is_stamped(base_url=f"http+unix://{str(tmp_path / 's').replace('/', '%2F')}")


async def test_each_of_many_connections_is_made_and_let_go():
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with raw_server(says(closing, then_closes=True)) as url:
        result = await run(Plan(base_url=url, load=ConstantRate(500), duration_s=0.5))
    assert not result.errors
    assert result.opened == result.offered == 250


class Deserted(Http1Channel):
    """Now and then its server has left when it is asked once more, and that is not told yet."""

    __slots__ = ("_count",)

    def send(self, request):
        self._count = getattr(self, "_count", 0) + 1
        if self._count == 20:
            self._transport.abort()
        super().send(request)


class Desert(HttpTransport):
    def channel(self, owner):
        channel = Deserted(self, owner)
        self.channels.add(channel)
        return channel


async def test_a_connection_that_is_lost_just_before_its_request_is_due_fails_it_and_no_more():
    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=ConstantRate(500), duration_s=1, connections=1)
        result = await asyncio.wait_for(run(plan, transport=Desert(plan)), 30)
    assert [group.failure for group in result.errors] == [Failure.RESET]
    assert 0 < result.errors[0].count <= result.offered / 20
    assert result.offered == 500
    assert result.lag.count == result.offered


async def test_half_an_answer_and_a_half_closed_connection_end_in_their_class():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK[:-1])
        writer.write_eof()
        await reader.read()

    async with raw_server(behave) as url:
        asked = await ask(url)
    assert asked.end == (Failure.PROTOCOL, "closed in the middle of the body")


async def test_a_large_upload_arrives_whole():
    async def behave(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"content-length: {LARGE}".encode() in head.lower()
        await reader.readexactly(LARGE)
        writer.write(OK)

    async with raw_server(behave) as url:
        asked = await ask(url, get(method="POST", body=b"x" * LARGE), timeout_s=60)
    assert asked.end == 200
