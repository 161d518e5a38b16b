"""
Garbage: for how long Python's collector stops the program, by generation.

The collector runs amid anything, so its pauses are kept here, where only it writes, and handed over
now and then. A full collection of a large service takes tenths of a second, in which nobody is
answered; to see that is to know what `gc.freeze()` and higher thresholds are for.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from weakref import WeakMethod, finalize

from keiko_perf.model import Histogram, Kind
from keiko_perf.monitoring.recorder import Recorder


class Pauses:
    """
    The pauses since they were handed over last. It listens until nobody holds it any more.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_s: float | None = None
        self._pauses = _none_yet()
        self._listener = _listener(WeakMethod(self._collecting))
        gc.callbacks.append(self._listener)
        finalize(self, gc.callbacks.remove, self._listener)

    def hand_over(self, recorder: Recorder) -> None:
        """Record what there was since the last time."""
        pauses, self._pauses = self._pauses, _none_yet()
        for name, histogram in pauses.items():
            if histogram:
                recorder.add(Kind.GC, name, histogram)

    def _collecting(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began_s = self._clock()
        elif self._began_s is not None:
            histogram = self._pauses.get(f"generation {info['generation']}")
            if histogram is not None:
                histogram.record(max(self._clock() - self._began_s, 0.0))


def _none_yet() -> dict[str, Histogram]:
    return {f"generation {number}": Histogram() for number in range(3)}


def _listener(
    method: WeakMethod[Callable[[str, Mapping[str, int]], None]],
) -> Callable[[str, Mapping[str, int]], None]:
    """Listens as long as the one who is told lives."""

    def listen(phase: str, info: Mapping[str, int]) -> None:
        told = method()
        if told is not None:
            told(phase, info)

    return listen
