"""
Live: how a load test is going, on the terminal while it runs.

On a terminal it is a view that is drawn anew each second, elsewhere one plain line each five
seconds; always on standard error, so that nothing but the report is on standard output.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

from rich.console import Console
from rich.live import Live
from rich.text import Text

from keiko_perf.cli.course import Course
from keiko_perf.cli.screen import plain, screen
from keiko_perf.loadtest import Progress

_PLAIN_EVERY = 5


class LiveView:
    """
    Shows each progress that it is called with, while its context lasts.

    It draws in a thread of its own: whoever calls it goes on at once.
    """

    def __init__(self, console: Console, course: Course) -> None:
        self._console = console
        self._course = course
        self._draws = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._queue: SimpleQueue[Progress | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._show_all, name="live view", daemon=True)
        self._ticks = 0

    def __enter__(self) -> LiveView:
        if self._draws:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._draws:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        self._queue.put(progress)

    def _show_all(self) -> None:
        while (progress := self._queue.get()) is not None:
            self._course.take(progress)
            self._show()

    def _show(self) -> None:
        if self._draws:
            size = self._console.size
            shown = screen(self._course, width=size.width - 1, height=size.height)
            self._live.update(shown, refresh=True)
            return
        self._ticks += 1
        if self._ticks % _PLAIN_EVERY == 0:
            self._console.print(Text(plain(self._course)), soft_wrap=True)
