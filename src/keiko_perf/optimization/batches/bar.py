"""
progress_bar: the progress of a batch on a terminal.

    with progress_bar("Fetching agents") as on_progress:
        await Batch(agents, fetch, on_progress=on_progress).drain()

Where the output is no terminal, the last state is one line at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from keiko_perf.optimization.batches.crew import BatchStatistics, OnProgress


@contextmanager
def progress_bar(title: str, *, console: Console | None = None) -> Iterator[OnProgress]:
    """
    Shows a bar as long as it is entered, and gives what to pass as `on_progress`.

    Args:
        title: what is being done.
        console: where; standard error by default.
    """
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rest]}", markup=False),
        TimeRemainingColumn(),
        console=console or Console(stderr=True),
    )
    task = bar.add_task(title, total=None, rest="")

    def show(now: BatchStatistics) -> None:
        failed = f"{now.failed} failed" if now.failed else ""
        done = now.succeeded + now.failed
        bar.update(task, total=now.total, completed=done, rest=failed)

    with bar:
        yield show
