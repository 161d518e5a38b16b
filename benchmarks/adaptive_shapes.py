"""
The services that the adaptive limiter is tried on: fifteen by hand, twelve more, any near those
fifteen, and any drawn.

The constants of the limiter were chosen while looking at `shapes()`, at `more_shapes()` and at
three draws (1, 12 and 21); the second judged what to keep. Other settings were tried on draws 31 to
36, and one of them on 41 to 44; none was kept. Every other draw is of services that it has not
seen: the kind of work, how many at once, what limits them, the network, and what happens in
mid-run, all by chance. `near` is of the kinds of the fifteen, with every number another.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import Any

from keiko_perf.optimization.simulation import (
    Shape,
    Work,
    constant,
    contention,
    exponential,
    lognormal,
    two_kinds,
)

Speed = Callable[[int, float], float]

_MANY = 10**9


def steps(*from_s: tuple[float, int]) -> Callable[[float], int]:
    return lambda now_s: next(count for at, count in reversed(from_s) if now_s >= at)


def stalls(every_s: float, long_s: float) -> tuple[Callable[[int, float], float], list[float]]:
    count = int(60 / every_s)
    edges = [one * every_s + off for one in range(1, count + 1) for off in (-long_s, 0.0)]
    return lambda _count, now_s: float(bisect_right(edges, now_s) % 2 == 0), edges


def neighbour(
    seed: int, low: float, mean_s: float
) -> tuple[Callable[[int, float], float], list[float]]:
    random = Random(seed)
    edges, speeds = [], [1.0]
    while (at := (edges[-1] if edges else 0.0) + random.expovariate(1 / mean_s)) < 60:
        edges.append(at)
        speeds.append(1.0 if random.random() < 0.7 else random.uniform(low, 0.9))
    return lambda _count, now_s: speeds[bisect_right(edges, now_s)], edges


def shapes() -> list[Shape]:
    light, heavy = lognormal(0.05, 0.2), lognormal(0.05, 1.0)
    stall, stalling = stalls(6, 0.5)
    noise, changing = neighbour(7, 0.3, 1.5)
    at_20, rises = steps((0, 20)), steps((0, 10), (30, 60))
    return [
        Shape("knee at 20", light, at_20),
        Shape("knee at 20, heavy tail", heavy, at_20),
        Shape("capacity 2", light, steps((0, 2))),
        Shape("50 ms of network", exponential(0.02), steps((0, 10)), delay_s=0.05),
        Shape("two kinds of work", two_kinds(0.01, 0.2, long_ratio=0.05), at_20),
        Shape("mild contention", exponential(0.03), speed=contention(0.02, 0.0005)),
        Shape("steep contention", exponential(0.03), speed=contention(0.03, 0.005)),
        Shape("falls from 20 to 6", light, steps((0, 20), (30, 6)), changes=[30]),
        Shape("rises from 10 to 60", light, rises, changes=[30]),
        Shape("rises, heavy tail", heavy, rises, changes=[30]),
        Shape("stalls of 0.5 s", light, at_20, stall, stalling),
        Shape("a noisy neighbour", light, at_20, noise, changing),
        Shape("rejects above 30", light, steps((0, 30)), rejects_above=30),
        Shape("8 processors shared", exponential(0.02), speed=lambda n, _: min(1.0, 8 / n)),
        Shape("knee at 200", exponential(0.1), steps((0, 200)), duration_s=40),
    ]


def more_shapes() -> list[Shape]:
    """Further shapes. No test of generality: they too were seen while constants were chosen."""
    often, often_at = stalls(2, 0.15)
    noise, changing = neighbour(11, 0.4, 0.5)
    return [
        Shape("knee at 5, slow", lognormal(0.3, 1.0), steps((0, 5))),
        Shape("knee at 50, quick", exponential(0.005), steps((0, 50)), duration_s=15),
        Shape("always 0.1 s, 12 places", constant(0.1), steps((0, 12))),
        Shape(
            "40, 20, 40", exponential(0.05), steps((0, 40), (20, 20), (40, 40)), changes=[20, 40]
        ),
        Shape("one place", exponential(0.02), steps((0, 1))),
        Shape("network, heavy tail", lognormal(0.02, 1.0), steps((0, 6)), delay_s=0.1),
        Shape("a cliff at 16", exponential(0.05), speed=lambda n, _: min(1.0, (16 / n) ** 2)),
        Shape("a serial part", lognormal(0.02, 0.2), speed=contention(0.05, 0.0002)),
        Shape("stalls often", exponential(0.05), steps((0, 20)), often, often_at),
        Shape("a restless neighbour", exponential(0.05), steps((0, 30)), noise, changing),
        Shape("rejects above 12", constant(0.04), steps((0, 20)), rejects_above=12),
        Shape("rare long work", two_kinds(0.005, 0.5, long_ratio=0.02), steps((0, 30))),
    ]


def machines() -> list[Shape]:
    """
    A database on a few processors that it shares with who asks: soft knees.

    The first is what a PostgreSQL did with statements of 1 ms on two processors, by tenths of a
    second: three quarters of them kept to one curve, and in the others, with something else on the
    machine, few in flight got much less than their share.
    """
    return [
        Shape("2 processors, 1 ms", lognormal(0.0006, 0.4), **processors(1, 2.0), duration_s=12),
        Shape("2 processors, undisturbed", lognormal(0.0006, 0.4), speed=soft(2.0), duration_s=12),
        Shape("2 processors, 7 ms", exponential(0.004), **processors(2, 2.0), duration_s=30),
        Shape("3 processors, 2 ms", exponential(0.002), **processors(3, 3.0), duration_s=15),
        Shape("4 processors, 2 ms", lognormal(0.002, 0.8), **processors(4, 4.0), duration_s=15),
        Shape("8 processors, soft", exponential(0.01), speed=soft(8.0), duration_s=20),
    ]


def soft(knee: float, *, most: float = 1.0) -> Speed:
    """How fast each is worked on, where at the knee .79 of *most* is got out of a machine."""
    return lambda count, _now_s: most * knee / count * (1 + (knee / count) ** 2.9) ** (-1 / 2.9)


def processors(seed: int, knee: float) -> dict[str, Any]:
    """Speed, and when it changes, where now and then something else runs as well."""
    random = Random(f"processors-{seed}")
    edges = [0.0]
    while edges[-1] < 60:
        edges.append(edges[-1] + random.expovariate(1 / (0.15 if len(edges) % 2 == 0 else 0.5)))
    alone, beside = soft(knee), soft(2.25 * knee, most=0.93 / 2.25)

    def speed(count: int, now_s: float) -> float:
        is_alone = bisect_right(edges, now_s) % 2
        return alone(count, now_s) if is_alone else beside(count, now_s)

    return {"speed": speed, "changes": edges[1:]}


def near(seed: int) -> list[Shape]:
    """The kinds of services of `shapes`, with numbers by chance around theirs."""
    random = Random(f"near-{seed}")

    def about(value: float, times: float = 1.6) -> float:
        return _between(random, value / times, value * times)

    def places(count: float, times: float = 1.6) -> int:
        return max(1, round(about(count, times)))

    def light() -> Work:
        return lognormal(about(0.05, 2), random.uniform(0.1, 0.4))

    def heavy() -> Work:
        return lognormal(about(0.05, 2), random.uniform(0.7, 1.1))

    def long_s() -> float:
        return random.choice([30.0, 40.0, 60.0, 60.0])

    def changed(name: str, work: Work, before: float, after: float) -> Shape:
        end_s = long_s()
        capacity = steps((0, places(before)), (end_s / 2, places(after)))
        return Shape(name, work, capacity, changes=[end_s / 2], duration_s=end_s)

    few = steps((0, random.choice([1, 2, 2, 3, 4])))
    stall, stalling = stalls(about(6), about(0.5))
    noise, changing = neighbour(random.randrange(10**6), about(0.4, 1.4), about(1.5))
    two = two_kinds(about(0.01), about(0.2), long_ratio=about(0.05))
    some, shared, half_s = places(25), places(8), long_s() / 2
    rejects_above = max(3, round(some * random.uniform(0.8, 1.5)))
    return [
        Shape("a knee", light(), steps((0, places(20))), duration_s=long_s()),
        Shape("a knee, heavy tail", heavy(), steps((0, places(20))), duration_s=long_s()),
        Shape("few places", light(), few, duration_s=long_s()),
        Shape(
            "a network",
            exponential(about(0.02, 2)),
            steps((0, places(10, 2))),
            delay_s=about(0.05, 2),
            duration_s=long_s(),
        ),
        Shape("two kinds of work", two, steps((0, places(20))), duration_s=long_s()),
        Shape(
            "mild contention",
            exponential(about(0.03)),
            speed=contention(about(0.02), about(0.0005)),
            duration_s=long_s(),
        ),
        Shape(
            "steep contention",
            exponential(about(0.03)),
            speed=contention(about(0.03), about(0.005)),
            duration_s=long_s(),
        ),
        changed("falls", light(), 20, 6),
        changed("rises", light(), 10, 60),
        changed("rises, heavy tail", heavy(), 10, 60),
        Shape("stalls", light(), steps((0, places(20))), stall, stalling),
        Shape("a neighbour", light(), steps((0, places(20))), noise, changing),
        Shape("rejects", light(), steps((0, some)), rejects_above=rejects_above),
        Shape(
            "processors shared",
            exponential(about(0.03)),
            speed=lambda count, _: min(1.0, shared / count),
            duration_s=long_s(),
        ),
        Shape(
            "halved",
            heavy(),
            steps((0, places(20))),
            lambda _, now_s: 1.0 if now_s < half_s else 0.5,
            changes=[half_s],
            duration_s=2 * half_s,
        ),
    ]


def drawn(seed: int, count: int) -> list[Shape]:
    """So many services by chance, the same ones for the same *seed*."""
    return [_draw(Random(f"{seed}-{at}"), at) for at in range(count)]


@dataclass(frozen=True, slots=True)
class _Event:
    """What happens in mid-run: how fast or large it is, what is asked, and when that changes."""

    name: str
    level: Callable[[float], float] = lambda _now_s: 1.0
    asked: Callable[[float], int] = lambda _now_s: _MANY
    changes: tuple[float, ...] = ()
    is_of_capacity: bool = False
    rejects_above: int = _MANY


def _draw(random: Random, at: int) -> Shape:
    mean_s, places = _between(random, 0.005, 0.15), round(_between(random, 2, 80))
    kind, work = _work(random, mean_s)
    bound = random.choices(["places", "shared", "contended", "cliff"], [0.55, 0.15, 0.2, 0.1])[0]
    delay_s = mean_s * _between(random, 0.3, 3) if random.random() < 0.25 else 0.0
    # So many requests that a p99 means something, and no more than a few seconds of simulation.
    duration_s = min(60.0, max(20.0, 24_000 * mean_s / places), max(12.0, 60_000 * mean_s / places))
    event = _event(random, duration_s, places, is_hard=bound == "places")
    level, way = event.level, _speed(random, bound, places)
    own, speed = lambda _now_s: _MANY, lambda count, now_s: way(count, now_s) * level(now_s)
    if bound == "places":
        own = lambda _now_s: places  # noqa: E731 # one of three
    if bound == "places" and event.is_of_capacity:
        own, speed = lambda now_s: max(1, round(places * level(now_s))), way
    return Shape(
        f"{at}: {bound} {places}, {mean_s * 1e3:.0f} ms {kind}, {event.name}",
        work,
        own,
        speed,
        changes=event.changes,
        delay_s=delay_s,
        rejects_above=event.rejects_above,
        asked=event.asked,
        duration_s=duration_s,
    )


def _work(random: Random, mean_s: float) -> tuple[str, Work]:
    kind = random.choice(["constant", "exponential", "lognormal", "lognormal", "two kinds"])
    if kind == "constant":
        return kind, constant(mean_s)
    if kind == "exponential":
        return kind, exponential(mean_s)
    if kind == "lognormal":
        sigma = random.uniform(0.2, 1.1)
        return f"{kind} {sigma:.1f}", lognormal(mean_s, sigma)
    share, times = random.uniform(0.02, 0.2), random.uniform(4, 20)
    short_s = mean_s / (1 - share + share * times)
    return f"1:{times:.0f}", two_kinds(short_s, short_s * times, long_ratio=share)


def _speed(random: Random, bound: str, places: int) -> Speed:
    if bound == "shared":
        return lambda count, _now_s: min(1.0, places / count)
    if bound == "cliff":
        return lambda count, _now_s: min(1.0, (places / count) ** 2)
    if bound == "contended":
        return contention(random.uniform(0.0, 0.05), 1 / places**2)
    return lambda _count, _now_s: 1.0


def _event(random: Random, duration_s: float, places: int, *, is_hard: bool) -> _Event:
    names = ["none", "falls", "rises", "stalls", "neighbour", "rejects", "asked for little"]
    kind = random.choices(names, [0.3, 0.15, 0.15, 0.1, 0.15, 0.1, 0.05])[0]
    half_s = duration_s / 2
    if kind in ("falls", "rises"):
        times = random.uniform(0.3, 0.6) if kind == "falls" else random.uniform(2, 6)
        times = times if is_hard else min(max(times, 0.4), 3)
        return _Event(
            f"{kind} to {times:.1f}",
            lambda now_s: 1.0 if now_s < half_s else times,
            changes=(half_s,),
            is_of_capacity=True,
        )
    if kind == "stalls":
        every_s, long_s = random.uniform(2, 8), random.uniform(0.1, 0.5)
        speed, edges = stalls(every_s, long_s)
        return _Event(
            f"stalls {long_s:.1f} s in {every_s:.0f}",
            lambda now_s: speed(1, now_s),
            changes=tuple(one for one in edges if one < duration_s),
        )
    if kind == "neighbour":
        low, mean_s = random.uniform(0.3, 0.7), _between(random, 0.4, 3)
        speed, edges = neighbour(random.randrange(10**6), low, mean_s)
        return _Event(
            f"{kind} {low:.1f}, {mean_s:.1f} s",
            lambda now_s: speed(1, now_s),
            changes=tuple(one for one in edges if one < duration_s),
        )
    if kind == "rejects":
        above = max(3, round(places * random.uniform(0.8, 1.5)))
        return _Event(f"rejects above {above}", rejects_above=above)
    if kind == "asked for little":
        little, at_s = max(1, places // 2), (duration_s / 3, 2 * duration_s / 3)
        return _Event(
            f"{little} at once in between",
            asked=lambda now_s: little if at_s[0] <= now_s < at_s[1] else _MANY,
            changes=at_s,
        )
    return _Event(kind)


def _between(random: Random, low: float, high: float) -> float:
    """So that each octave is as likely as another."""
    return exp(random.uniform(log(low), log(high)))
