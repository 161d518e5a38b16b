"""
Alarm: wakes the engine when the next request is due, without spinning.

An event loop's own timers wake up to 1 ms late, and uvloop's round distances under 0.5 ms to 0,
which burns a core. On Linux a timerfd watched by the loop is late by some tens of microseconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from typing import Protocol

_CLOCK_MONOTONIC = 1
_NONBLOCK = 0o4000
_CLOEXEC = 0o2000000
_SHORTEST_S = 1e-6  # a timerfd that is set to 0 is off


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
