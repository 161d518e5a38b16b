"""
Fixed: what ours reports of servers that take a fixed time, beside what is true.

True is what the server measured of itself, and the way there and back. The way is the machine's,
and it depends on the delay: a core sleeps the deeper the longer it has nothing to do, and takes
tens of microseconds to wake up. So a referee takes it: blocking sockets and nothing else, on the
same core, at the same rate, of the same server, in turns with ours (A B B A…). For each percentile,

    way   = what the referee saw - what the server measured meanwhile
    truth = what the server measured while ours asked + way

The referee is never late: it looks at the clock until a request is due. So what ours adds counts
against it: schedule lag, the work of its event loop and of its own, the histogram's 0.55 %. That an
error would show is shown: runs of an engine that takes each time 5 % too long must be off by that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

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
        while clock() < due:
            pass
        send(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        under_way.append((due, way))
    while under_way:
        take()
print(json.dumps(seen[int(rate * {warmup}):]))
"""


@dataclass
class _Seen:
    """What one of the two saw in all its turns, and what the server measured meanwhile."""

    times: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)


def accuracy(*, is_quick: bool) -> list[dict[str, object]]:
    """Delays up to a second."""
    # In many short turns, for a machine changes its mind within seconds.
    short = [(one, 2.0 if is_quick else 2.5, "ABBA" * (1 if is_quick else 4))
             for one in (0.0002, 0.001)]  # fmt: skip
    longer = [(one, 1.5 if is_quick else 5.0, "ABBA") for one in (0.01, 0.1, 1.0)]
    return _fixed([*short, *longer], planted_s=(0.001, 0.01))


def long(*, is_quick: bool) -> list[dict[str, object]]:
    """A server that takes its time."""
    return _fixed([(3.0, 5.0, "AB") if is_quick else (10.0, 20.0, "AB")], planted_s=())


def _fixed(
    delays: Sequence[tuple[float, float, str]], *, planted_s: Sequence[float]
) -> list[dict[str, object]]:
    print("\nAccuracy, fixed delays: reported, and that ÷ (what the server measured + the way)")
    print(f"{'server':<14}{'requests':>10}{'p50':>22}{'p95':>22}{'p99':>22}")
    rows = []
    with awake():
        for service_s, seconds, turns in delays:
            rows.append(_row(service_s, seconds, turns))
            if service_s in planted_s:
                _plant(service_s, seconds)
    return rows


def _row(service_s: float, seconds: float, turns: str) -> dict[str, object]:
    name = f"{service_s * 1000:g} ms"
    reported, late, own, referee = _take_turns(service_s, seconds, turns)
    mine = [one or 0.0 for one in reported.quantiles(_QUANTILES)]
    server_s, theirs, their_server = map(ranks, (own, referee.times, referee.server))
    way = [one - other for one, other in zip(theirs, their_server, strict=True)]
    truth = [one + other for one, other in zip(server_s, way, strict=True)]
    pairs = list(zip(mine, truth, strict=True))
    cells = [f"{one * 1e3:.5g} ms ({one / other:.4f})" for one, other in pairs]
    print(f"{name:<14}{reported.count:>10}" + "".join(f"{cell:>22}" for cell in cells))
    lags = [one or 0.0 for one in late.quantiles(_QUANTILES)]
    for what, some in (("server", server_s), ("way", way), ("our lag", lags)):
        print(f"    {what:<20}" + "".join(f"{one * 1e6:>19.1f} µs" for one in some))
    off = max(abs(one / other - 1) for one, other in pairs)
    judged(f"at {name} percentiles are within {off:.2%}", off <= BAR, f"{BAR:.0%}")
    return {"name": name, "ours": mine, "truth": truth, "server": server_s, "way": way}


def _take_turns(
    service_s: float, seconds: float, turns: str, *, plant: str = ""
) -> tuple[Histogram, Histogram, list[float], _Seen]:
    """What ours reported, its lag, what the server measured meanwhile; and the referee's turns."""
    rate = SHORT_RATE if service_s < SHORT_S else RATE
    reported, late, own, referee = Histogram(), Histogram(), [], _Seen()
    with server("steady", service_s, is_alone=True) as url:
        said = {
            "url": url, "rate": rate, "seconds": seconds, "warmup": WARMUP_S, "plant": plant,
            "service_s": service_s,
        }  # fmt: skip
        for turn in turns:
            if turn == "A":
                response, lag = map(Histogram.from_dict, json.loads(ours(_OURS.format(**said))))
                reported.merge(response)
                late.merge(lag)
                own += measured(url)[-response.count :]
            else:
                times = json.loads(ours(_REFEREE.format(**said)))
                referee.times += times
                referee.server += measured(url)[-len(times) :]
    return reported, late, own, referee


def _plant(service_s: float, seconds: float) -> None:
    """Whether an engine that is wrong is found out."""
    plant = _PLANT.format(factor=1 + PLANTED)
    reported, _, own, referee = _take_turns(service_s, seconds, "ABBA", plant=plant)
    truth = ranks(own)[0] + ranks(referee.times)[0] - ranks(referee.server)[0]
    off = (reported.quantile(0.5) or 0.0) / truth - 1
    what = f"an error of {PLANTED:.0%} that is planted at {service_s * 1000:g} ms shows"
    judged(f"{what} as {off:.2%}", abs(off - PLANTED) <= BAR, f"{BAR:.0%} off that")
