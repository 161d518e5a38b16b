"""
Alarm: wakes the engine when the next request is due, without spinning.

An event loop's own timers wake up to 1 ms late, and uvloop's round distances under 0.5 ms to 0,
which burns a core. On Linux a timerfd watched by the loop is late by some tens of microseconds: as
long as a sleeping core takes to wake up. How long that is can be seen, and set off against.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

_CLOCK_MONOTONIC = 1
_NONBLOCK = 0o4000
_CLOEXEC = 0o2000000
_SHORTEST_S = 1e-6  # a timerfd that is set to 0 is off

_LONGEST_LEAD_S = 100e-6
_LEAD_SHARE = 0.03  # of the time between two rings, at most: what punctuality may cost of a core
_AT_LAST_S = 6e-6  # about a turn of the loop: what is shorter is waited for on the spot
_UP_S = 1.8e-6  # more lead for each that was late
_IN_TIME = 0.9  # wake up in time


class Alarm(Protocol):
    """Calls back once after each `set`."""

    def set(self, after_s: float) -> None:
        """Ring in *after_s* seconds, and not when it was to ring before."""

    def close(self) -> None:
        """Never ring again."""


class LoopAlarm:
    """The event loop's own timer: for virtual time, and where there is no timerfd."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, after_s: float) -> None:
        self.close()
        self._handle = self._loop.call_later(max(0.0, after_s), self._ring)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class FileAlarm:
    """A Linux timerfd (timerfd_create(2)); `os` has it only from Python 3.13 on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._fd = libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._spec = _TimerSpec()
        self._where = ctypes.byref(self._spec)
        self._is_set = False
        self._ring = ring
        self._loop = loop
        loop.add_reader(self._fd, self._rang)

    def set(self, after_s: float) -> None:
        # Setting it also takes back that it is readable, so nothing has to be read.
        self._is_set = True
        seconds = int(after_s)
        value = self._spec.value
        value.seconds = max(0, seconds)
        value.nanoseconds = int(max(after_s - seconds, 0.0 if seconds > 0 else _SHORTEST_S) * 1e9)
        self._settime(self._fd, 0, self._where, None)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _rang(self) -> None:
        self._is_set = False
        self._ring()
        if not self._is_set and self._fd >= 0:
            self._spec.value.seconds = self._spec.value.nanoseconds = 0
            self._settime(self._fd, 0, self._where, None)


class Lead:
    """
    How long before it is due something is begun, learnt from how it went so far.

    Args:
        in_time: the share that is to be in time.
        longest_s: the most that is taken.

    Attributes:
        seconds: how long.
    """

    __slots__ = ("_down_s", "_longest_s", "seconds")

    def __init__(self, *, in_time: float, longest_s: float) -> None:
        self._down_s = _UP_S * (1 - in_time) / in_time  # in balance at that share
        self._longest_s = longest_s
        self.seconds = 0.0

    def learn(self, *, was_late: bool) -> None:
        """See how it went with this lead."""
        learnt_s = self.seconds + (_UP_S if was_late else -self._down_s)
        self.seconds = min(max(0.0, learnt_s), self._longest_s)


class PunctualAlarm:
    """
    Rings when it is due, and hardly ever later: it wakes up a little early.

    By how much is learnt from how late it woke up so far. What is left then passes in turns of the
    loop, which reads meanwhile what comes; it is bounded, in itself and as a share of a core.

    Args:
        loop: the one that it rings in.
        ring: is called.
        alarm: makes the one that wakes it up.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ring: Callable[[], None],
        *,
        alarm: Callable[[asyncio.AbstractEventLoop, Callable[[], None]], Alarm],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._loop = loop
        self._ring = ring
        self._clock = clock
        self._alarm = alarm(loop, self._woke)
        self._turning: asyncio.Handle | None = None
        self._at = self._wakes_at = 0.0
        self._lead = Lead(in_time=_IN_TIME, longest_s=_LONGEST_LEAD_S)

    @property
    def lead_s(self) -> float:
        return self._lead.seconds

    def set(self, after_s: float) -> None:
        if self._turning is not None:
            self._turning.cancel()
            self._turning = None
        lead_s = min(self.lead_s, _LEAD_SHARE * max(0.0, after_s))
        self._at = self._clock() + after_s
        self._wakes_at = self._at - lead_s
        self._alarm.set(after_s - lead_s)

    def close(self) -> None:
        if self._turning is not None:
            self._turning.cancel()
        self._alarm.close()

    def _woke(self) -> None:
        self._lead.learn(was_late=self._clock() - self._wakes_at > self.lead_s)
        self._turn()

    def _turn(self) -> None:
        clock, at = self._clock, self._at
        self._turning = None
        left_s = at - clock()
        if left_s > _LONGEST_LEAD_S:  # it was set anew while it was about to wake up
            self.set(left_s)
        elif left_s > _AT_LAST_S:
            self._turning = self._loop.call_soon(self._turn)
        else:
            while clock() < at:
                pass
            self._ring()


def punctual_alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> Alarm:
    """The most punctual alarm that this machine has, for what is due on a schedule."""
    if sys.platform == "linux":
        try:
            return PunctualAlarm(loop, ring, alarm=FileAlarm)
        except (OSError, AttributeError, NotImplementedError):
            pass
    return LoopAlarm(loop, ring)


def precise_alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> Alarm:
    """The most precise alarm that this machine has."""
    if sys.platform == "linux":
        try:
            return FileAlarm(loop, ring)
        except (OSError, AttributeError, NotImplementedError):
            pass  # a C library or an event loop without it; the engine measures its own lateness
    return LoopAlarm(loop, ring)


class Repeating:
    """Calls back at equal distances, which do not drift; a beat that was missed is left out."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, period_s: float, call: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._period_s = period_s
        self._call = call
        self._began = loop.time()
        self._number = 1
        self._handle = loop.call_at(self._began + period_s, self._beat)

    def cancel(self) -> None:
        """Never call again."""
        self._handle.cancel()

    def _beat(self) -> None:
        passed = int((self._loop.time() - self._began) / self._period_s)
        self._number = max(self._number, passed) + 1
        at = self._began + self._number * self._period_s
        self._handle = self._loop.call_at(at, self._beat)
        self._call()
