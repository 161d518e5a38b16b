"""
Ending: the last lines, on standard error: the report's headline once more, since a long report has
moved it out of the terminal; what was written where, the exit code and its meaning.
"""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from keiko_perf.cli.output import INTERRUPTED
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


def last_lines(
    report: Report, exit_code: int, *, lang: str, saved: Path | None, written: Path | None
) -> Text:
    """Such as "p95 is 312 ms, …", and "result in run.json · exit code 3: a target was missed"."""
    meaning, style = _MEANINGS[exit_code]
    files = [
        f"{what} in {file} · "
        for what, file in (("result", saved), ("report", written))
        if file is not None
    ]
    return Text.assemble(
        (f"{clean_line(phrase(report.headline, lang))}\n", "bold"),
        ("".join(files), "dim"),
        (f"exit code {exit_code}", style),
        f": {meaning}",
    )
