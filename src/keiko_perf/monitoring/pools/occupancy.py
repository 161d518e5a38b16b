"""
Occupancy: how full the pools of a process are, sampled together; and the turnstile of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from weakref import ReferenceType, WeakKeyDictionary, ref

from keiko_perf.model import Kind
from keiko_perf.monitoring.attribution import Part, opened, shut
from keiko_perf.monitoring.recorder import Recorder

_POOL = Part.POOL  # looked up once
POOL_IN_USE = "pool_in_use"
POOL_SIZE = "pool_size"
POOL_WAITING = "pool_waiting"
POOL_RATIO = "pool_ratio"


@dataclass(frozen=True, slots=True)
class Occupancy:
    """
    Attributes:
        in_use: how many connections somebody has.
        size: how many there may be, overflow included; None if there is no bound.
        waiting: how many wait for one.
    """

    in_use: int
    size: int | None
    waiting: int

    @property
    def ratio(self) -> float | None:
        """The share that is in use, 0 to 1; None if there is no bound."""
        return min(max(self.in_use, 0) / self.size, 1.0) if self.size else None


Reading = Callable[[], Occupancy | None]
"""Reads a pool; None once it is gone."""


class Pools:
    """The pools of one process."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []

    def add(self, reading: Reading) -> None:
        """Sample one pool more."""
        self._readings.append(reading)

    def probe(self) -> Mapping[str, float]:
        """The gauges of all pools; nothing if there is none."""
        read = [(reading, reading()) for reading in tuple(self._readings)]
        for reading, occupancy in read:
            if occupancy is None:
                self._readings.remove(reading)
        there = [occupancy for _, occupancy in read if occupancy is not None]
        if not there:
            return {}
        samples: dict[str, float] = {
            POOL_IN_USE: sum(one.in_use for one in there),
            POOL_WAITING: sum(one.waiting for one in there),
        }
        ratios = [one.ratio for one in there if one.ratio is not None]
        if ratios:
            samples[POOL_SIZE] = sum(one.size for one in there if one.size)
            samples[POOL_RATIO] = max(ratios)
        return samples


# Weak on both sides: what is read may know the recorder, which would then be kept for ever.
_pools: WeakKeyDictionary[Recorder, ReferenceType[Pools]] = WeakKeyDictionary()


def pools_of(recorder: Recorder) -> Pools:
    """The pools that *recorder* is told of."""
    known = _pools.get(recorder)
    pools = None if known is None else known()
    if pools is None:
        pools = Pools()
        recorder.add_probe(pools.probe)
        _pools[recorder] = ref(pools)
    return pools


class Turnstile:
    """
    Times those who ask one pool for a connection, and those who have one. Any thread may pass.

    Args:
        recorder: is told; its clock is used.
        name: of the pool.

    Attributes:
        waiting: how many wait for a connection.
        in_use: how many were handed out through here.
    """

    def __init__(self, recorder: Recorder, name: str) -> None:
        self.waiting = 0
        self.in_use = 0
        self.name = name
        self._recorder = recorder
        self._lock = Lock()

    def asked(self) -> float:
        """Somebody asks for a connection; `got` has to follow, with what is returned here."""
        with self._lock:
            self.waiting += 1
        opened(self._recorder, _POOL)
        return self._recorder.clock()

    def got(self, asked_s: float, *, failed: bool) -> float:
        """He has it, or never will; returns when that was, for `released`."""
        now_s = self._recorder.clock()
        shut(self._recorder, _POOL)
        with self._lock:
            self.waiting -= 1
            self.in_use += not failed
        self._recorder.record(Kind.POOL, self.name, max(now_s - asked_s, 0.0), failed=failed)
        return now_s

    def released(self, got_s: float) -> None:
        """A connection came back that was handed out at *got_s*."""
        with self._lock:
            self.in_use -= 1
        held_s = self._recorder.clock() - got_s
        self._recorder.record(Kind.HOLD, self.name, max(held_s, 0.0))
