"""
MemoryTracer: which lines of the program hold more memory than before.

Python's own tracemalloc notes where each block was asked for, which costs: the program runs up to
twice as slowly, and each block takes some bytes more. So it is for a while, not for always. What
C libraries allocate without Python's allocator is in what the process holds, and in no line: the
difference is told.
"""

from __future__ import annotations

import linecache
import site
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from keiko_perf.container import ROOT, read_held
from keiko_perf.errors import UsageError
from keiko_perf.model import Report
from keiko_perf.optimization.memory.growth import Growth, growth_report

_LINES = 15
_LEAST_BYTES = 10_000
_KEPT = 200
_GROWS_RATIO = 0.8
"""A line grows if it held more after so many of the intervals, and never gave most of it back."""
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Snap:
    """
    What was held at one time.

    Attributes:
        rss_bytes: what the process held.
        traced_bytes: what of it Python's allocator was asked for since the tracer was started.
        lines: by place, how many bytes and blocks.
    """

    rss_bytes: int
    traced_bytes: int
    lines: dict[tuple[str, int], tuple[int, int]]


class MemoryTracer:
    """
    Looks where memory goes, between `start` and `stop`:

        with MemoryTracer() as tracer:
            ...
            tracer.snapshot()
            ...
            print(render(tracer.report(at=datetime.now(UTC)), "text"))

    Args:
        frames: how deep stacks are kept; the deepest line of the program itself is told.
        is_ours: whether a file is the program's own; what it called is told at the line that
            called. By default, whatever is not installed and not Python's own.
        root: where `/proc` is found.

    Raises:
        UsageError: *frames* is not from 1 on.
    """

    def __init__(
        self,
        *,
        frames: int = 8,
        is_ours: Callable[[str], bool] | None = None,
        root: Path = ROOT,
    ) -> None:
        if not frames >= 1:
            raise UsageError(f"frames={frames!r} shows no line", cure="Give a number from 1 on")
        self._frames = frames
        self._is_ours = is_ours or is_own_file
        self._root = root
        self._snaps: list[Snap] = []
        self._started_it = False

    def start(self) -> Self:
        """Begin to trace, and look for the first time."""
        if not tracemalloc.is_tracing():
            tracemalloc.start(self._frames)
            self._started_it = True
        self._snaps = [self._snap()]
        return self

    def stop(self) -> None:
        """Trace no more; what was seen stays."""
        if self._started_it:
            tracemalloc.stop()
            self._started_it = False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def snapshot(self) -> Snap:
        """
        Look; what is held now.

        Raises:
            UsageError: it was not started.
        """
        if not tracemalloc.is_tracing() or not self._snaps:
            raise UsageError("nothing is traced", cure="Call start() before, or use `with`")
        snap = self._snap()
        # Whatever was between the first and the last is thinned out: the whole stays bounded.
        if len(self._snaps) >= _KEPT:
            self._snaps = [self._snaps[0], *self._snaps[1::2]]
        self._snaps.append(snap)
        return snap

    def growth(self) -> list[Growth]:
        """Which lines hold more now than at the beginning, those that grew most first."""
        if len(self._snaps) < 2:
            return []
        first, last = self._snaps[0], self._snaps[-1]
        grown = [
            (size - first.lines.get(line, (0, 0))[0], line, size, blocks)
            for line, (size, blocks) in last.lines.items()
        ]
        grown.sort(key=lambda one: (-one[0], one[1]))
        return [
            Growth(
                place=f"{_short(file)}:{number}",
                code=linecache.getline(file, number).strip()[:120],
                grown_bytes=grown_bytes,
                size_bytes=size,
                blocks=blocks,
                is_steady=self._is_steady((file, number)),
            )
            for grown_bytes, (file, number), size, blocks in grown[:_LINES]
            if grown_bytes >= _LEAST_BYTES
        ]

    def report(self, *, at: datetime, leak_bytes: int = _MB) -> Report:
        """
        What grew, as a report of *at*; a line that grew by more than *leak_bytes* from look to look
        is a finding.
        """
        return growth_report(
            self.growth(),
            rss_bytes=[snap.rss_bytes for snap in self._snaps],
            traced_bytes=self._snaps[-1].traced_bytes if self._snaps else 0,
            at=at,
            leak_bytes=leak_bytes,
        )

    def _snap(self) -> Snap:
        taken = tracemalloc.take_snapshot()
        lines: dict[tuple[str, int], tuple[int, int]] = {}
        for one in taken.statistics("traceback"):
            line = self._line(one.traceback)
            if line is not None:
                size, blocks = lines.get(line, (0, 0))
                lines[line] = (size + one.size, blocks + one.count)
        return Snap(
            rss_bytes=read_held(self._root).rss_bytes,
            traced_bytes=tracemalloc.get_traced_memory()[0],
            lines=lines,
        )

    def _line(self, frames: Sequence[tracemalloc.Frame]) -> tuple[str, int] | None:
        """The innermost line of the program itself, or else the innermost of all."""
        for frame in reversed(frames):  # the innermost is last
            if frame.filename in (__file__, tracemalloc.__file__):
                return None
            if self._is_ours(frame.filename):
                return frame.filename, frame.lineno
        return frames[-1].filename, frames[-1].lineno

    def _is_steady(self, line: tuple[str, int]) -> bool:
        sizes = [snap.lines.get(line, (0, 0))[0] for snap in self._snaps]
        began = next((at for at, size in enumerate(sizes) if size), len(sizes))
        sizes = sizes[max(0, began - 1) :]  # from when the program first came there
        steps = [after - before for before, after in pairwise(sizes)]
        rises = sum(step > 0 for step in steps)
        return len(steps) >= 3 and rises >= _GROWS_RATIO * len(steps) and sizes[-1] == max(sizes)


def is_own_file(file: str) -> bool:
    """Whether *file* is the program's own: neither installed nor Python's."""
    return not (file.startswith("<") or "site-packages" in file or file.startswith(_PYTHON))


_PYTHON = str(Path(linecache.__file__).parent)


def _short(file: str) -> str:
    """As seen from the working directory, or from where Python's and installed files are."""
    for root in (*map(Path, site.getsitepackages()), Path(_PYTHON), Path.cwd()):
        try:
            return str(Path(file).relative_to(root))
        except ValueError:
            continue
    return file
