"""
Ending: the last lines, on standard error: the report's headline once more, since a long report has
moved it out of the terminal; what was written where, the exit code and its meaning.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.text import Text

from keiko_perf.cli.output import INTERRUPTED, Destination
from keiko_perf.model import Report
from keiko_perf.render.clean import clean_line
from keiko_perf.render.language import phrase

_MEANINGS = {
    0: ("all is well", "green"),
    3: ("a target was missed, or all requests of a step failed", "bold red"),
    4: ("the measurement is not valid", "bold yellow"),
    5: ("a version is slower than the one before", "bold red"),
    6: ("undecided", "bold yellow"),
    INTERRUPTED: ("stopped before its end; the report holds what was measured", "bold yellow"),
}


def end(
    report: Report,
    exit_code: int,
    destination: Destination,
    console: Console,
    *,
    saved: Path | None = None,
    interrupted: bool = False,
) -> NoReturn:
    """
    Tell on *console* what came of a report that was shown, and leave the program.

    Args:
        report: what was shown at *destination*.
        exit_code: as `show` answered it; that of an interruption takes its place.
        saved: the file that holds the result, if any.
        interrupted: whether it was stopped before its end.
    """
    code = INTERRUPTED if interrupted else exit_code
    lines = _last_lines(report, code, destination, saved)
    console.print(lines, soft_wrap=True)
    raise typer.Exit(code)


def _last_lines(
    report: Report, exit_code: int, destination: Destination, saved: Path | None
) -> Text:
    """Such as "p95 is 312 ms, …", and "result in run.json · exit code 3: a target was missed"."""
    meaning, style = _MEANINGS[exit_code]
    files = [
        f"{what} in {file} · "
        for what, file in (("result", saved), ("report", destination.file))
        if file is not None
    ]
    return Text.assemble(
        (f"{clean_line(phrase(report.headline, destination.lang))}\n", "bold"),
        ("".join(files), "dim"),
        (f"exit code {exit_code}", style),
        f": {meaning}",
    )
