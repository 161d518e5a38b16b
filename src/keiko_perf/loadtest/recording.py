"""
Recording: arrivals that were seen elsewhere, read from a file to be sent again at their distances.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.loadtest.pacer import Replay


def replay(file: Path) -> Replay:
    """
    Read the instants of *file*: one a line, the first field of a CSV or the whole line, in seconds
    or as a date and time in ISO 8601. Empty lines, comments with `#` and one line of headings are
    passed over.

    Raises:
        StoreUnavailable: the file cannot be read.
        UsageError: a line holds no instant, or there is none at all.
    """
    try:
        with file.open(encoding="utf-8-sig") as lines:
            return Replay(_instants(lines, str(file)))
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is no text in UTF-8", cure="Name a file with one instant a line"
        ) from error
    except OSError as error:
        raise StoreUnavailable(
            f"the recording cannot be read from {file}: {error.strerror}",
            cure="Name a file with one instant a line",
        ) from error


def _instants(lines: Iterator[str], name: str) -> Iterator[float]:
    is_first = True
    for number, line in enumerate(lines, 1):
        text = line.partition(",")[0].strip().strip('"')
        if not text or text.startswith("#"):
            continue
        instant_s = _seconds(text)
        if instant_s is not None:
            yield instant_s
        elif not is_first:
            raise UsageError(
                f"line {number} of {name} begins with no instant",
                cure="Write seconds, or dates and times in ISO 8601, one a line",
            )
        is_first = False


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
