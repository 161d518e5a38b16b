"""
Writing: names as SQL writes them, times as figures, and how much a share of the time weighs.
"""

from __future__ import annotations

import re
from datetime import datetime

from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Severity

MIB = 1024.0 * 1024.0
GIB = 1024.0 * MIB
LARGE_SHARE = 0.25
_VALUE = r"\$\d+(?:::\w+)?"
_LONG_LIST = re.compile(rf"\(({_VALUE})(?:, ?{_VALUE}){{8,}}, ?({_VALUE})\)")


def name_of(schema: str, name: str) -> str:
    """A relation's name in a statement: without the schema where that is `public`."""
    return quoted(name) if schema == "public" else f"{quoted(schema)}.{quoted(name)}"


def iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def one_line(query: str) -> str:
    """A statement without its line breaks, and of a long list of values the first and the last."""
    return _LONG_LIST.sub(r"(\1, …, \2)", " ".join(query.split()))


def by_share(share: float) -> Severity:
    """A fourth of all the time is worth a warning."""
    return Severity.WARNING if share >= LARGE_SHARE else Severity.NOTE
