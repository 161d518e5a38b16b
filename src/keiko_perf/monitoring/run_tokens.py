"""
Run token: lets a load test ask for the `Server-Timing` of its own requests.

It is signed with the monitor's token, does not give that away, and ends by itself. Whoever has it
learns how long each part of an answer took, and nothing else; nobody else learns even that.
"""

from __future__ import annotations

import hashlib
import hmac

from keiko_perf.errors import UsageError

HEADER = b"keiko-perf-run"
"""The request's header that carries it."""
LONGEST_S = 24 * 3600
_MOST_BYTES = 100


def run_token(token: str, *, now_s: float, lasts_s: float = 3600.0) -> str:
    """
    A token for the header `Keiko-Perf-Run`.

    Args:
        token: the monitor's.
        now_s: seconds since 1970.
        lasts_s: for how long it is good, a day at most.

    Raises:
        UsageError: there is no token to sign with, or it would last too long.
    """
    if not token:
        raise UsageError(
            "there is no token to sign with", cure="Give PerformanceMonitor(token=...) one"
        )
    if not 0 < lasts_s <= LONGEST_S:
        raise UsageError(
            f"a run token cannot last {lasts_s:g} s", cure=f"Let it last {LONGEST_S} s at most"
        )
    ends = str(int(now_s + lasts_s))
    return f"{ends}.{_signature(ends, token)}"


def is_run_token(given: bytes, token: str, now_s: float) -> bool:
    """Whether *given* is one that is good now; how long that takes to tell tells nothing of it."""
    if len(given) > _MOST_BYTES:
        return False
    ends, _, signature = given.decode("latin-1").partition(".")
    if not hmac.compare_digest(signature.encode("latin-1"), _signature(ends, token).encode()):
        return False
    return now_s < int(ends) <= now_s + LONGEST_S + 1  # it is signed, so it is a number


def _signature(ends: str, token: str) -> str:
    return hmac.new(token.encode(), f"keiko-perf run {ends}".encode(), hashlib.sha256).hexdigest()
