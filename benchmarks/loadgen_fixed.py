"""
Fixed: what ours reports of servers that take a fixed time, beside what is true.

True is what the server measured of itself, and the way there and back. The way is the machine's,
and it depends on the delay: a core sleeps the deeper the longer it has nothing to do, and takes
tens of microseconds to wake up. So a referee takes it: blocking sockets and nothing else, on the
same core, at the same rate, of the same server, in turns with ours (A B B A…). For each percentile,

    way   = what the referee saw - what the server measured meanwhile
    truth = what the server measured while ours asked + way

The referee is never late: it looks at the clock until a request is due. So what ours adds counts
against it: schedule lag, what it does until the kernel has a request, the histogram's 0.55 %. That
an error would show is shown: runs of an engine that is made to err by 5 % must be off by that.

Both read the kernel's receive stamps where it has them, and both go the way through the kernel with
an empty write before each request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from keiko_perf.model import Histogram
from loadgen_bars import judged
from loadgen_stage import awake, measured, ours, ranks, server

BAR = 0.01
PLANTED = 0.05

SHORT_S = 0.01
SHORT_RATE = 730.0  # of what takes less; answers come when nothing else is due
RATE = 96.73
WARMUP_S = 0.5  # in which connections are made
_QUANTILES = (0.5, 0.95, 0.99)

_OURS = """
import json
from keiko_perf.loadtest import ConstantRate, Plan, run_in_own_loop
{plant}
result = run_in_own_loop(Plan(base_url="{url}", connections=2000, timeout_s=30, warmup_s={warmup},
                              load=ConstantRate({rate}), duration_s={seconds}))
assert not result.errors, result.errors
assert not result.invalid, result.invalid
print(json.dumps([result.response.succeeded.to_dict(), result.late.to_dict()]))
"""

_PLANT = """
from keiko_perf.loadtest import timeline
class Wrong(timeline.Histogram):
    def record(self, value_s):
        super().record(value_s * {factor})
timeline.Histogram = Wrong
"""

# Answers come in the order in which they were asked for, so one after the other is waited for.
_REFEREE = """
import json, socket, struct, time
from collections import deque
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit
from keiko_perf.loadtest.quiet import quiet

at, rate, service_s = urlsplit("{url}"), {rate}, {service_s}
under_way, free, seen = deque(), [], []
clock, STAMPS = time.perf_counter, 35  # SO_TIMESTAMPNS

def connected():
    way = stack.enter_context(socket.create_connection((at.hostname, at.port)))
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):
        way.setsockopt(socket.SOL_SOCKET, STAMPS, 1)
    return way

def take():
    due, way = under_way.popleft()
    _, beside, _, _ = way.recvmsg(4096, 64)
    now, calendar_ns = clock(), time.time_ns()
    for _, kind, stamp in beside:
        if kind == STAMPS:
            seconds, nanoseconds = struct.unpack("qq", stamp)
            now -= (calendar_ns - seconds * 10**9 - nanoseconds) / 1e9
    seen.append(now - due)
    free.append(way)

with ExitStack() as stack, quiet():
    begun = clock() + 0.01
    for number in range(int(rate * ({seconds} + {warmup}))):
        due = begun + number / rate
        while under_way and under_way[0][0] + service_s < due:
            take()
        way = free.pop() if free else connected()
        send = way.send
        if (left := due - clock()) > 0.0003:
            time.sleep(left - 0.0002)
        send(b"")  # as warm as ours
        while clock() < due:
            pass
        send(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        under_way.append((due, way))
    while under_way:
        take()
print(json.dumps(seen[int(rate * {warmup}):]))
"""


@dataclass
class _Block:
    """Some turns: what ours reported, its lag, what the referee saw, what the server measured."""

    reported: Histogram = field(default_factory=Histogram)
    late: Histogram = field(default_factory=Histogram)
    own: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    seen_own: list[float] = field(default_factory=list)

    @property
    def way(self) -> list[float]:
        pairs = zip(ranks(self.seen), ranks(self.seen_own), strict=True)
        return [one - other for one, other in pairs]

    @property
    def truth(self) -> list[float]:
        return [one + other for one, other in zip(ranks(self.own), self.way, strict=True)]

    @property
    def off(self) -> list[float]:
        """Reported ÷ true, for each percentile."""
        pairs = zip(_told(self.reported), self.truth, strict=True)
        return [one / other for one, other in pairs]


def accuracy(*, is_quick: bool) -> list[dict[str, object]]:
    """Delays up to a second."""
    # In many short turns, for a machine changes its mind within seconds; by the median of several
    # blocks of them, for what disturbs one turn is not to decide.
    blocks = 2 if is_quick else 5
    short = [_Delay(one, 2.5, "ABBA", blocks) for one in (0.0002, 0.001)]
    longer = [_Delay(one, 1.5 if is_quick else 5.0, "ABBA") for one in (0.01, 0.1, 1.0)]
    return _fixed([*short, *longer], planted_s=(0.001, 0.01))


def long(*, is_quick: bool) -> list[dict[str, object]]:
    """A server that takes its time."""
    return _fixed([_Delay(3.0, 5.0, "AB") if is_quick else _Delay(10.0, 20.0, "AB")], planted_s=())


@dataclass(frozen=True)
class _Delay:
    """A server's, and the turns that are taken at it: how long one takes, and how many blocks."""

    service_s: float
    seconds: float
    turns: str
    blocks: int = 1

    @property
    def name(self) -> str:
        return f"{self.service_s * 1000:g} ms"


def _fixed(delays: Sequence[_Delay], *, planted_s: Sequence[float]) -> list[dict[str, object]]:
    print("\nAccuracy, fixed delays: reported, and that ÷ (what the server measured + the way)")
    print(f"{'server':<14}{'requests':>10}{'p50':>22}{'p95':>22}{'p99':>22}")
    rows = []
    with awake():
        for delay in delays:
            rows.append(_row(delay))
            if delay.service_s in planted_s:
                _plant(delay)
    return rows


def _row(delay: _Delay) -> dict[str, object]:
    blocks = [_take_turns(delay) for _ in range(delay.blocks)]
    mine, truth, way, server_s, lags = map(
        _medians,
        (
            [_told(one.reported) for one in blocks],
            [one.truth for one in blocks],
            [one.way for one in blocks],
            [ranks(one.own) for one in blocks],
            [_told(one.late) for one in blocks],
        ),
    )
    ratios = _medians([one.off for one in blocks])
    cells = [f"{one * 1e3:.5g} ms ({ratio:.4f})" for one, ratio in zip(mine, ratios, strict=True)]
    count = sum(one.reported.count for one in blocks)
    print(f"{delay.name:<14}{count:>10}" + "".join(f"{cell:>22}" for cell in cells))
    for what, some in (("server", server_s), ("way", way), ("our lag", lags)):
        print(f"    {what:<20}" + "".join(f"{one * 1e6:>19.1f} µs" for one in some))
    if len(blocks) > 1:
        spreads = [f"{min(some):.4f} to {max(some):.4f}" for some in _columns(blocks)]
        print(f"    {'blocks':<20}" + "".join(f"{one:>22}" for one in spreads))
    off = max(abs(one - 1) for one in ratios)
    judged(f"at {delay.name} percentiles are within {off:.2%}", off <= BAR, f"{BAR:.0%}")
    return {"name": delay.name, "ours": mine, "truth": truth, "server": server_s, "way": way}


def _take_turns(delay: _Delay, *, plant: str = "") -> _Block:
    block = _Block()
    rate = SHORT_RATE if delay.service_s < SHORT_S else RATE
    with server("steady", delay.service_s, is_alone=True) as url:
        said = {
            "url": url, "rate": rate, "seconds": delay.seconds, "warmup": WARMUP_S, "plant": plant,
            "service_s": delay.service_s,
        }  # fmt: skip
        for turn in delay.turns:
            if turn == "A":
                response, lag = map(Histogram.from_dict, json.loads(ours(_OURS.format(**said))))
                block.reported.merge(response)
                block.late.merge(lag)
                block.own += measured(url)[-response.count :]
            else:
                times = json.loads(ours(_REFEREE.format(**said)))
                block.seen += times
                block.seen_own += measured(url)[-len(times) :]
    return block


def _plant(delay: _Delay) -> None:
    """Whether an engine that is wrong is found out."""
    plant = _PLANT.format(factor=1 + PLANTED)
    blocks = [_take_turns(delay, plant=plant) for _ in range(min(3, delay.blocks))]
    off = _medians([one.off for one in blocks])[0] - 1
    what = f"an error of {PLANTED:.0%} that is planted at {delay.name} shows"
    judged(f"{what} as {off:.2%}", abs(off - PLANTED) <= BAR, f"{BAR:.0%} off that")


def _told(histogram: Histogram) -> list[float]:
    return [one or 0.0 for one in histogram.quantiles(_QUANTILES)]


def _columns(blocks: Sequence[_Block]) -> list[tuple[float, ...]]:
    return list(zip(*(one.off for one in blocks), strict=True))


def _medians(rows: Sequence[Sequence[float]]) -> list[float]:
    return [median(column) for column in zip(*rows, strict=True)]
