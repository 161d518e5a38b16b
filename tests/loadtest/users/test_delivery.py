"""The short way between users and their connections: answers that come together, and what may
come between an answer and its user."""

from __future__ import annotations

import asyncio

import pytest

from keiko_perf.fakes import in_virtual_time
from keiko_perf.loadtest import Plan, Poisson, Result, Users, run, scenario
from keiko_perf.loadtest.http.http1 import HttpTransport
from keiko_perf.loadtest.users.reply import RequestFailed

LATENCY_S = 0.01


def answer(number: int, *, status=200, headers="", body="ok", **_) -> bytes:
    headers, body = (text.replace("#", str(number)) for text in (headers, body))
    head = f"HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


async def _found(host: str, _port: int) -> tuple[str, ...]:
    return (host,)


class Wire(asyncio.Transport):
    def __init__(self, wires: Wires, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.wires, self.protocol = wires, protocol
        self.is_cut = False

    def write(self, _data) -> None:
        self.wires.asked(self)

    def abort(self) -> None:
        self.cut()

    def cut(self) -> None:
        if not self.is_cut:
            self.is_cut = True
            self.protocol.connection_lost(None)


class Wires(HttpTransport):
    """A service at the end of wires, that answers all who asked in one turn of the loop at once."""

    def __init__(self, plan, *, clock, cuts_every=0, **said) -> None:
        super().__init__(plan, clock=clock, resolve=_found)
        self._said, self._cuts_every = said, cuts_every
        self._waiting: list[Wire] = []
        self.count = 0

    async def connect(self, channel) -> None:
        channel.connection_made(Wire(self, channel))

    def asked(self, wire: Wire) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_later(LATENCY_S, self._answer)
        self._waiting.append(wire)

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        for wire in waiting:
            if not wire.is_cut:
                self.count += 1
                wire.protocol.data_received(answer(self.count, **self._said))
                is_due = self._cuts_every and self.count % self._cuts_every == 0
                if is_due and wire not in self._waiting:
                    wire.cut()  # before its user is told


def play(
    *acts, users=3, load=None, connections=100, duration_s=1.0, burnt=None, **said
) -> tuple[Result, Wires]:
    burnt = burnt or [0.0]
    plan = Plan(
        base_url="http://127.0.0.1:9",
        scenarios=tuple(scenario(act) for act in acts),
        load=load or Users(users),
        connections=connections,
        duration_s=duration_s,
    )

    async def go() -> tuple[Result, Wires]:
        loop = asyncio.get_running_loop()

        def clock() -> float:
            return loop.time() + burnt[0]

        wires = Wires(plan, clock=clock, **said)
        result = await run(plan, transport=wires, clock=clock)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not wires.channels
        return result, wires

    return in_virtual_time(go())


async def ask(user):
    reply = await user.get("/")
    assert reply.status == 200
    assert reply.text.startswith("ok")
    assert reply.received_bytes > len(reply.body) > 0


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="the same answer again and again"),
        pytest.param({"body": "ok #"}, id="a body that differs each time"),
        pytest.param({"headers": "X-Number: #\r\n"}, id="headers that differ each time"),
    ],
)
def test_answers_that_come_together_are_told_to_each_and_counted_once(said):
    result, wires = play(ask, **said)

    assert not result.errors
    assert result.response.count == wires.count
    assert wires.count == pytest.approx(3 * 1.0 / LATENCY_S, rel=0.05)
    assert result.response.succeeded.max_s == pytest.approx(LATENCY_S, rel=0.01)


def test_what_a_user_does_with_an_answer_is_no_part_of_the_time_of_those_that_came_with_it():
    burnt = [0.0]

    async def busy(user):
        for _ in range(3):  # so that the answer is known
            await user.get("/")
        await user.get("/", name="last")
        burnt[0] += 0.4
        await asyncio.sleep(60)

    result, _ = play(busy, users=5, burnt=burnt)

    (last,) = (step for step in result.steps if step.name == "last")
    assert last.response.count == 5
    assert last.response.succeeded.max_s == pytest.approx(LATENCY_S, rel=0.01)


def test_who_waits_for_a_connection_gets_that_of_an_answer_that_came_before_it_was_asked_for():
    burnt = [0.0]

    async def busy(user):
        for _ in range(3):
            await user.get("/")
            burnt[0] += 0.0001

    result, wires = play(busy, load=Poisson(150, seed=1), connections=4, burnt=burnt)

    assert not result.errors
    assert result.waited > 50
    assert result.response.count == wires.count > 300
    assert result.unfinished == 0


def test_an_answer_whose_connection_is_gone_before_its_user_is_told_is_an_answer():
    result, wires = play(ask, cuts_every=4)

    assert not result.errors
    assert result.response.count == wires.count > 200
    assert result.opened > 40


def test_a_failing_status_is_counted_each_time_and_a_cookie_taken_each_time():
    async def failing(user):
        await user.get("/")

    result, wires = play(failing, status=503)
    assert {one.detail: one.count for one in result.errors} == {"HTTP 503": wires.count}

    seen = []

    async def visiting(user):
        await user.get("/")
        seen.append(user.cookies.header("/"))

    play(visiting, users=1, headers="Set-Cookie: visit=#; Path=/\r\n")
    assert seen == [f"visit={number}" for number in range(1, len(seen) + 1)]
    assert len(seen) > 50


def test_a_check_may_judge_a_repeated_answer():
    async def judging(user):
        user.check(await user.get("/"), contains="no such text")

    result, wires = play(judging)
    assert sum(one.count for one in result.errors) == wires.count
    assert {one.failure.value for one in result.errors} == {"check"}


def test_requests_together_are_awaited_in_any_order_and_way():
    async def together(user):
        first, second, third = user.get("/"), user.get("/"), user.get("/")
        assert (await third).text == "ok"
        one, two = await asyncio.gather(first, second)
        assert one is await first
        assert two is await second

    result, wires = play(together, users=2)
    assert not result.errors
    assert result.response.count == wires.count > 100


def test_a_user_who_gave_up_waiting_asks_on_and_is_not_told_of_what_was_given_up():
    async def hasty(user):
        try:
            async with asyncio.timeout(LATENCY_S / 2):
                await user.get("/", name="given up")
            raise AssertionError("it was answered too soon")
        except TimeoutError:
            pass
        reply = await user.get("/", name="awaited")
        assert reply.name == "awaited"

    result, _ = play(hasty, users=4)
    assert not result.errors
    counted = {step.name: step.response.count for step in result.steps}
    assert counted["awaited"] > 4
    assert counted["given up"] >= counted["awaited"]


class Scripted(Wires):
    """Answers to all but each fifth request, of whose answer it sends so much and no more."""

    def __init__(self, plan, *, clock, sends, cuts) -> None:
        super().__init__(plan, clock=clock)
        self._sends, self._cuts = sends, cuts

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        for wire in waiting:
            self.count += 1
            if self.count % 5:
                wire.protocol.data_received(answer(0))
                continue
            if self._sends:
                wire.protocol.data_received(answer(0)[: self._sends])
            if self._cuts:
                wire.cut()


@pytest.mark.parametrize(
    ("sends", "cuts", "failure"),
    [
        pytest.param(0, True, "reset", id="nothing, and the connection is closed"),
        pytest.param(0, False, "timeout-headers", id="nothing"),
        pytest.param(20, False, "timeout-headers", id="half of the headers"),
        pytest.param(20, True, "protocol", id="half of the headers, and it is closed"),
        pytest.param(-1, False, "timeout-body", id="all but the last byte"),
        pytest.param(-1, True, "protocol", id="all but the last byte, and it is closed"),
    ],
)
def test_a_request_without_a_whole_answer_fails_alone_and_in_its_class(sends, cuts, failure):
    failed = []

    async def patient(user):
        try:
            await user.get("/")
        except RequestFailed as error:
            failed.append(error.failure.value)

    plan = Plan(
        base_url="http://127.0.0.1:9",
        scenarios=(scenario(patient),),
        load=Users(3),
        duration_s=5.0,
        timeout_s=0.2,
    )

    async def go() -> tuple[Result, Wires]:
        clock = asyncio.get_running_loop().time
        wires = Scripted(plan, clock=clock, sends=sends, cuts=cuts)
        return await run(plan, transport=wires, clock=clock), wires

    result, wires = in_virtual_time(go())
    assert {one.failure.value for one in result.errors} == {failure} == set(failed)
    assert sum(one.count for one in result.errors) == len(failed) == wires.count // 5 > 5
    assert result.response.count == wires.count
