"""
Fixed: what ours reports of servers that take a fixed time, beside what was on the wire.

True is, for each request, the instant at which its answer had passed the loopback interface less
the instant at which it was due. The first is the kernel's stamp of the packet (see `loadgen_wire`),
the second a grid from the instant at which the run says that it began. So what the generator adds
counts against it: how late it sends, when it takes an answer for come, the histogram's 0.55 %; and
what a busy machine does to a request it does to both. A beginning that is told too late would show
as requests that left before they were due.

Beside it stands what the server measured of itself, and what was between the two: the way of each
request, of which the part before the wire is shown as well. An error would show: runs of an engine
that is made to err by 5 % must be off by that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from keiko_perf.model import Histogram
from loadgen_bars import judged, skipped
from loadgen_stage import awake, measured, ours, ranks, server
from loadgen_wire import hindrance, wire

BAR = 0.01
PLANTED = 0.05

SHORT_S = 0.01
SHORT_RATE = 730.0  # of what takes no longer; answers come when nothing else is due
RATE = 96.73
WARMUP_S = 0.5  # in which connections are made
_LEAST_S = -2e-6  # before it is due may a request seem to leave: the clocks' own doing
_QUANTILES = (0.5, 0.95, 0.99)

_OURS = """
import json
from datetime import UTC, datetime, timedelta
from keiko_perf.loadtest import ConstantRate, Plan, run_in_own_loop
{plant}
result = run_in_own_loop(Plan(base_url="{url}", connections=2000, timeout_s=30, warmup_s={warmup},
                              load=ConstantRate({rate}), duration_s={seconds}))
assert not result.errors, result.errors
assert not result.invalid, result.invalid
begun_us = (result.started_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
print(json.dumps([result.response.succeeded.to_dict(), begun_us]))
"""

_PLANT = """
from keiko_perf.loadtest.engine import timeline
class Wrong(timeline.Histogram):
    def record(self, value_s):
        super().record(value_s * {factor})
timeline.Histogram = Wrong
"""


@dataclass
class _Seen:
    """What ours reported, and of each request in s: what is true, and what is part of it."""

    reported: Histogram = field(default_factory=Histogram)
    true: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)  # the server's measure
    late: list[float] = field(default_factory=list)  # from due to the wire

    @property
    def way(self) -> list[float]:
        return [true - own for true, own in zip(self.true, self.own, strict=True)]

    @property
    def off(self) -> list[float]:
        """Reported ÷ true, for each percentile."""
        pairs = zip(_told(self.reported), ranks(self.true), strict=True)
        return [one / other for one, other in pairs]


@dataclass(frozen=True)
class _Delay:
    """A server's, and the turns that are taken at it: how many, and how long one takes."""

    service_s: float
    seconds: float
    turns: int = 3

    @property
    def name(self) -> str:
        return f"{self.service_s * 1000:g} ms"


def accuracy(*, is_quick: bool) -> list[dict[str, object]]:
    """Delays up to a second."""
    seconds = 1.5 if is_quick else 5.0
    delays = [_Delay(one, seconds) for one in (0.0002, 0.001, 0.01, 0.1, 1.0)]
    return _fixed(delays, planted_s=(0.001, 0.01))


def long(*, is_quick: bool) -> list[dict[str, object]]:
    """A server that takes its time."""
    return _fixed([_Delay(3.0, 5.0, 1) if is_quick else _Delay(10.0, 20.0, 1)], planted_s=())


def _fixed(delays: Sequence[_Delay], *, planted_s: Sequence[float]) -> list[dict[str, object]]:
    print("\nAccuracy, fixed delays: reported, and that ÷ what was on the wire")
    if why := hindrance():
        skipped(f"percentiles of fixed delays: {why}")
        return []
    print(f"{'server':<14}{'requests':>10}{'p50':>22}{'p95':>22}{'p99':>22}")
    rows = []
    with awake():
        for delay in delays:
            rows.append(_row(delay))
            if delay.service_s in planted_s:
                _plant(delay)
    return rows


def _row(delay: _Delay) -> dict[str, object]:
    seen = _look(delay)
    reported, true, ratios = _told(seen.reported), ranks(seen.true), seen.off
    cells = [
        f"{one * 1e3:.5g} ms ({ratio:.4f})" for one, ratio in zip(reported, ratios, strict=True)
    ]
    print(f"{delay.name:<14}{len(seen.true):>10}" + "".join(f"{cell:>22}" for cell in cells))
    parts = {"server": seen.own, "way": seen.way, "of it before": seen.late}
    for what, some in parts.items():
        print(f"    {what:<20}" + "".join(f"{one * 1e6:>19.1f} µs" for one in ranks(some)))
    off = max(abs(one - 1) for one in ratios)
    judged(f"at {delay.name} percentiles are within {off:.2%}", off <= BAR, f"{BAR:.0%}")
    return {
        "name": delay.name,
        "ours": reported,
        "truth": true,
        **{what: ranks(some) for what, some in parts.items()},
    }


def _look(delay: _Delay, *, plant: str = "") -> _Seen:
    seen = _Seen()
    rate = SHORT_RATE if delay.service_s <= SHORT_S else RATE
    with server("steady", delay.service_s, is_alone=True) as url:
        said = {
            "url": url, "rate": rate, "seconds": delay.seconds, "warmup": WARMUP_S, "plant": plant,
        }  # fmt: skip
        for _ in range(delay.turns):
            with wire(urlsplit(url).port or 80) as passed:
                reported, begun_us = json.loads(ours(_OURS.format(**said)))
                exchanges = passed.exchanges()
            response = Histogram.from_dict(reported)
            seen.reported.merge(response)
            seen.own += measured(url)[-response.count :]
            # Requests leave in the order in which they are due.
            first_ns = begun_us * 1000 - WARMUP_S * 1e9
            due_ns = [first_ns + number / rate * 1e9 for number in range(len(exchanges))]
            for due, one in list(zip(due_ns, exchanges, strict=True))[-response.count :]:
                seen.true.append((one.answered_ns - due) / 1e9)
                seen.late.append((one.asked_ns - due) / 1e9)
    assert min(seen.late) >= _LEAST_S, f"a request left {-min(seen.late):.6f} s before it was due"
    return seen


def _plant(delay: _Delay) -> None:
    """Whether an engine that is wrong is found out."""
    off = _look(delay, plant=_PLANT.format(factor=1 + PLANTED)).off[0] - 1
    what = f"an error of {PLANTED:.0%} that is planted at {delay.name} shows"
    judged(f"{what} as {off:.2%}", abs(off - PLANTED) <= BAR, f"{BAR:.0%} off that")


def _told(histogram: Histogram) -> list[float]:
    return [one or 0.0 for one in histogram.quantiles(_QUANTILES)]
