"""Instants: a stamp of the kernel becomes an instant of the engine's clock, or is not taken."""

from __future__ import annotations

import socket
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.loadtest import ConstantRate, Plan, Poisson, Scenario, Stage, Stages, Users
from keiko_perf.loadtest.engine.instants import Instants, stamp, together
from keiko_perf.loadtest.engine.stamping import wants_stamps
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.users.scenario import Think

MIDNIGHT_NS = 1_700_000_000_000_000_000


def stamped(at_ns: int) -> list[tuple[int, int, bytes]]:
    return [(socket.SOL_SOCKET, 35, struct.pack("qq", *divmod(at_ns, 1_000_000_000)))]


class Clocks:
    """A monotonic clock and a calendar, which go on together by *step_s* with each reading."""

    def __init__(self, *steps_s: float) -> None:
        self.now = 500.0
        self.calendar_ns = MIDNIGHT_NS
        self._steps_s = list(steps_s)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.calendar_ns += round(seconds * 1e9)

    def clock(self) -> float:
        self.pass_by(self._steps_s.pop(0) if self._steps_s else 50e-9)
        return self.now

    def calendar(self) -> int:
        return self.calendar_ns

    def instants(self) -> Instants:
        return Instants(self.clock, self.calendar)


@given(st.floats(1e-6, 3600.0), st.floats(0.0, 3600.0))
def test_an_answer_came_when_the_kernel_says(after_s, age_s):
    clocks = Clocks()
    instants, sent = clocks.instants(), clocks.now
    clocks.pass_by(after_s)
    came, at_ns = clocks.now, clocks.calendar_ns
    clocks.pass_by(age_s)
    instants.came(stamped(at_ns), after=sent)
    assert instants.last() == pytest.approx(came, abs=200e-9)


@pytest.mark.parametrize(
    "ancillary",
    [
        pytest.param([], id="none came"),
        pytest.param([(socket.SOL_SOCKET, 1, b"\0" * 16)], id="something else came"),
        pytest.param([(socket.SOL_SOCKET, 35, b"\0" * 8)], id="it has another shape"),
        pytest.param(stamped(0), id="it is empty"),
        pytest.param(stamped(MIDNIGHT_NS + 10**9), id="it lies in the future"),
        pytest.param(stamped(MIDNIGHT_NS - 10**9), id="it lies before the request"),
    ],
)
def test_without_a_stamp_that_can_be_true_it_came_when_it_was_read(ancillary):
    clocks = Clocks()
    clocks.instants()
    instants, sent = clocks.instants(), clocks.now
    clocks.pass_by(0.001)
    instants.came(ancillary, after=sent)
    assert instants.last() == clocks.now


def test_a_calendar_that_was_set_between_answers_changes_nothing():
    clocks = Clocks()
    instants = clocks.instants()
    for set_ns in (0, 3600 * 10**9, -7200 * 10**9):
        clocks.calendar_ns += set_ns
        sent = clocks.now
        clocks.pass_by(0.0002)
        came, at_ns = clocks.now, clocks.calendar_ns
        clocks.pass_by(30e-6)
        instants.came(stamped(at_ns), after=sent)
        assert instants.last() == pytest.approx(came, abs=200e-9)


def test_clocks_that_were_not_read_together_are_read_again():
    # The second reading is 5 ms after the first: this process had to wait for its core.
    clocks = Clocks(0.0, 0.005)
    instants, sent, at_ns = clocks.instants(), clocks.now, clocks.calendar_ns
    instants.came(stamped(at_ns), after=sent)
    assert instants.last() == pytest.approx(500.0, abs=200e-9)


def test_clocks_that_are_never_read_together_are_taken_as_they_are():
    clocks = Clocks(*[0.001] * 100)
    instants, sent, at_ns = clocks.instants(), clocks.now, clocks.calendar_ns
    instants.came(stamped(at_ns), after=sent)
    assert instants.last() == pytest.approx(500.0, abs=0.001)


def test_two_clocks_that_are_read_together_agree():
    clocks = Clocks(0.0, 0.005)  # in between, at first
    at, calendar_ns = together(clocks.clock, clocks.calendar)
    assert at - 500.0 == pytest.approx((calendar_ns - MIDNIGHT_NS) / 1e9, abs=200e-9)


BASE = "http://127.0.0.1"


async def ask(user):
    await user.get("/")


@pytest.mark.parametrize(
    ("load", "of", "expected"),
    [
        (ConstantRate(10_000), 1, True),
        (ConstantRate(10_001), 1, False),
        (ConstantRate(20_000), 2, True),  # each process has a half
        (Poisson(9_000, seed=1), 1, True),
        (Stages((Stage(1, 20_000),), 10), 1, False),  # it will be fast
        (Users(50), 1, False),  # as fast as the service answers
        (Users(50, think_s=0.1), 1, True),
        (Users(2_000, think_s=0.1), 1, False),
    ],
)
def test_a_load_that_leaves_time_for_it_wants_stamps(load, of, expected):
    lasting = {} if isinstance(load, Stages) else {"duration_s": 1}
    plan = Plan(base_url=BASE, load=load, max_in_flight=10_000, **lasting)
    assert wants_stamps(plan, Share(0, of)) is expected


@pytest.mark.parametrize(("per_s", "expected"), [(1_000, True), (1_001, False)])
def test_an_iteration_of_a_scenario_counts_as_ten_requests(per_s, expected):
    plan = Plan(
        base_url=BASE, load=ConstantRate(per_s), duration_s=1, scenarios=(Scenario(run=ask),)
    )
    assert wants_stamps(plan, Share()) is expected


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ([{}], False),
        ([{"think": Think(1.0, 2.0)}], True),
        ([{"pacing_s": 0.5}], True),
        ([{"pacing_s": 0.01}], False),
        ([{"pacing_s": 0.5}, {}], False),  # these users never pause
    ],
)
def test_users_of_scenarios_are_as_fast_as_their_pauses_let_them(pauses, expected):
    scenarios = tuple(Scenario(run=ask, name=str(at), **one) for at, one in enumerate(pauses))
    plan = Plan(base_url=BASE, load=Users(50), duration_s=1, scenarios=scenarios)
    assert wants_stamps(plan, Share()) is expected


def test_what_this_kernel_stamps_it_stamps_between_sending_and_reading():
    instants, in_time = Instants(), []
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
        server.accept()[0] as theirs,
    ):
        knows_how = stamp(ours)
        for _ in range(100):
            before = time.perf_counter()
            theirs.sendall(b"x")
            sent = time.perf_counter()
            while time.perf_counter() < sent + 0.001:
                pass
            _, ancillary, _, _ = ours.recvmsg(10, 64)
            instants.came(ancillary, after=before)
            assert before <= instants.last()
            # The loopback hands over what is sent before `send` is over.
            in_time.append(instants.last() < sent + 0.0005)
    # The kernel begins to stamp a little after it is asked to.
    assert sum(in_time) >= 50 if knows_how else not any(in_time)
