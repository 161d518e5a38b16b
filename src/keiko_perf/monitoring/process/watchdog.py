"""
Watchdog: finds what holds the event loop, from a thread beside it.

Some tens of times a second it looks where the loop's thread is. As long as the loop sleeps, all is
well, and the loop does not notice. If something runs, the loop is asked to answer, and until it
does it is looked at again and again: what is found in one and the same step of a task for longer
than the threshold is a blocking call. The place in the code is told, the stack, and for how long at
least. A call may have begun up to half the threshold before it was first seen.

A loop that is late because thousands of short steps wait is nobody's fault in particular; nor is a
machine that gives the process no processor: time that a thread had to queue for one is taken off.
C code that does not let go of the interpreter (a regular expression, a JSON encoder) keeps the
watchdog from looking as well. It is found in the act when it ends, by the CPU time that it took.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from keiko_perf.monitoring.process.greenlets import waiting_frame
from keiko_perf.monitoring.process.stacks import Lines, lines_of, without_collecting
from keiko_perf.monitoring.process.steps import Look, Step
from keiko_perf.monitoring.process.threads import ThreadClock
from keiko_perf.monitoring.recorder import Recorder

_HANDLE_RUN: CodeType = asyncio.events.Handle._run.__code__
_RUN_ONCE: CodeType = asyncio.base_events.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
_FRESH = 20
"""Quiet looks after which it is read anew how long the watchdog had to wait for a processor."""
_SHORTEST_S = 0.002
_PATIENCE_S = 1.0


@contextmanager
def watching(recorder: Recorder, *, after_s: float | None) -> Iterator[None]:
    """
    Watch the running event loop while the context lasts.

    Args:
        recorder: is told what is found; its clock is used.
        after_s: how long a call may hold the loop before it is told; None: nothing is watched.
    """
    if after_s is None:
        yield
        return
    watchdog = Watchdog(recorder, asyncio.get_running_loop(), after_s=after_s)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()


class Watchdog:
    """
    A thread that watches an event loop, from `start` to `stop`, which are called in the loop's own.

    Args:
        recorder: is told what is found; its clock is used.
        loop: is watched.
        after_s: how long a call may hold the loop before it is told.
    """

    def __init__(
        self, recorder: Recorder, loop: asyncio.AbstractEventLoop, *, after_s: float
    ) -> None:
        self._recorder = recorder
        self._loop = loop
        self._after_s = after_s
        self._pause_s = max(after_s / 2, _SHORTEST_S)
        self._look_s = max(after_s / 10, _SHORTEST_S)
        self._ident, self._native_id = threading.get_ident(), threading.get_native_id()
        # Held until it is over. To wait for a lock costs half as much as for an Event.
        self._going_on = threading.Lock()
        self._going_on.acquire()
        self._answers = 0
        self._base: int | None = None
        self._thread = threading.Thread(target=self._watch, name="keiko-perf watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._loop.call_soon(self._answer)  # so that it is known what is beneath a callback
        self._thread.start()

    def stop(self) -> None:
        """End the thread, which takes no longer than a look."""
        self._going_on.release()
        self._thread.join(_PATIENCE_S)

    # In the loop

    def _answer(self) -> None:
        # asyncio calls each callback from Handle._run; uvloop does so without a frame of its own,
        # and then what is beneath a callback is whatever runs the loop.
        beneath = sys._getframe().f_back
        is_asyncio = beneath is None or beneath.f_code is _HANDLE_RUN
        self._base = None if is_asyncio else id(beneath)
        self._answers += 1

    # In the thread

    def _is_over_after(self, pause_s: float) -> bool:
        is_over = self._going_on.acquire(timeout=pause_s)
        if is_over:
            self._going_on.release()
        return is_over

    def _watch(self) -> None:
        theirs = ThreadClock(self._ident, self._native_id)
        ours = ThreadClock(threading.get_ident(), threading.get_native_id())
        try:
            self._watch_by(theirs, ours)
        except RuntimeError:
            return  # the loop was closed
        finally:
            theirs.close()
            ours.close()

    def _watch_by(self, theirs: ThreadClock, ours: ThreadClock) -> None:
        queued_s, quiet = ours.queued_s(), 0
        last = Look(self._recorder.clock(), theirs.computed_s(), own_queued_s=queued_s)
        while not self._is_over_after(self._pause_s):
            if not self._is_running():
                # This is most of the watchdog's life, and what it costs when all is well.
                quiet += 1
                if quiet % _FRESH == 0:
                    queued_s = ours.queued_s()
                last = Look(self._recorder.clock(), theirs.computed_s(), own_queued_s=queued_s)
                continue
            last = self._look(last, self._pause_s, theirs, ours)
            if last.step is not None:
                last = self._look_on(last, theirs, ours)
                queued_s = last.own_queued_s

    def _look_on(self, last: Look, theirs: ThreadClock, ours: ThreadClock) -> Look:
        """Look until the loop answers, and tell what held it."""
        answers = self._answers
        self._loop.call_soon_threadsafe(self._answer)
        steps = {last.step: Step(last)}
        while not self._is_over_after(self._look_s) and self._answers == answers:
            look = self._look(last, self._look_s, theirs, ours)
            if look.step is not None:
                steps.setdefault(look.step, Step(look)).add(look, after=last)
            last = look
        for step in steps.values():
            if step.held_s >= self._after_s:
                for call in step.told(self._recorder.now()):
                    self._recorder.block(call)
        return last.without_step()

    def _look(self, last: Look, expected_s: float, theirs: ThreadClock, ours: ThreadClock) -> Look:
        step, lines = self._running() or (None, ())
        look = Look(
            at_s=self._recorder.clock(),
            computed_s=theirs.computed_s(),
            queued_s=theirs.queued_s(),
            own_queued_s=ours.queued_s(),
            step=step,
            lines=lines,
        )
        return look.since(last, expected_s)

    @without_collecting
    def _is_running(self) -> bool:
        """Whether the loop's thread is in anything but the loop itself, as seen at a glance."""
        frame = sys._current_frames().get(self._ident)
        if frame is None or id(frame) == self._base:
            return False
        above = frame.f_back
        return above is None or above.f_code is not _RUN_ONCE

    @without_collecting
    def _running(self) -> tuple[object, Lines] | None:
        """What tells the step from others, and its lines; None if the loop itself is at work."""
        frame = sys._current_frames().get(self._ident)
        frames: list[FrameType] = []
        frame = self._up(frame, frames)
        task: Any = asyncio.current_task(self._loop)
        if frame is None and frames:
            # A greenlet's frames have none of the loop's beneath them; who waits for it has.
            waiting: list[FrameType] = []
            if self._up(waiting_frame(self._ident), waiting) is not None:
                frames += waiting
        # Where nobody is known to wait for it, its task tells that it is a step of the loop's.
        if not frames or (frame is None and task is None):
            return None
        frames.reverse()
        # The frame itself, and not its address, which the next call may have again.
        return task if task is not None else frames[0], lines_of(frames)

    def _up(self, frame: FrameType | None, frames: list[FrameType]) -> FrameType | None:
        """Gather the frames up to the loop's, which is returned; None if there is none."""
        while frame is not None and not self._is_beneath(frame):
            frames.append(frame)
            frame = frame.f_back
        return frame

    def _is_beneath(self, frame: FrameType) -> bool:
        return frame.f_code is _HANDLE_RUN or id(frame) == self._base
