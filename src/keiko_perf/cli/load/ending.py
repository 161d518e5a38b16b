"""
Ending: the last line, on standard error: what was written where, the exit code and its meaning.
"""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from keiko_perf.cli.output import INTERRUPTED

_MEANINGS = {
    0: ("all is well", "green"),
    3: ("a target was missed, or all requests of a step failed", "bold red"),
    4: ("the measurement is not valid", "bold yellow"),
    5: ("a version is slower than the one before", "bold red"),
    6: ("undecided", "bold yellow"),
    INTERRUPTED: ("stopped before its end; the report holds what was measured", "bold yellow"),
}


def last_line(exit_code: int, *, saved: Path | None, written: Path | None) -> Text:
    """Such as "result in run.json · exit code 3: a target was missed"."""
    meaning, style = _MEANINGS[exit_code]
    parts = [
        *([f"result in {saved}"] if saved else []),
        *([f"report in {written}"] if written else []),
    ]
    line = Text("".join(f"{part} · " for part in parts), "dim")
    line.append(f"exit code {exit_code}", style)
    line.append(f": {meaning}")
    return line
