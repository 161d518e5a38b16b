"""
Lengths of time as people write them, the same wherever one is given.
"""

from __future__ import annotations

import re

from keiko_perf.errors import UsageError

LENGTHS_S = {
    **{"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0},
    **{"m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0},
}
_LENGTH = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(LENGTHS_S)})?")


def read_length(
    text: str,
    *,
    what: str = "duration",
    cure: str = "Write it as 500ms, 30s, 5m, 2h or 1d",
) -> float:
    """
    Read `500ms`, `30s`, `5m` or `5min`, `2h`, `1d`, or a bare number of seconds; in seconds.

    Args:
        text: that was given.
        what: it should have been.
        cure: how that is written.

    Raises:
        UsageError: it is none of these.
    """
    found = _LENGTH.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text[:40]!r} is no {what}", cure=cure)
    return float(found[1]) * LENGTHS_S[found[2] or "s"]
