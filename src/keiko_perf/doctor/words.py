"""
Words: a claim as a cause, with its sentence, its figures and its cure. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from keiko_perf.doctor import codes
from keiko_perf.doctor import words_of_database as database
from keiko_perf.doctor import words_of_process as process
from keiko_perf.doctor.case import Case
from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.claim import Claim
from keiko_perf.doctor.symptoms import Symptoms
from keiko_perf.doctor.words_of_awaiting import awaiting


def told(claim: Claim, seen: Symptoms, *, each_s: float) -> Cause:
    """The cause that *claim* is."""
    share = min(claim.total_s / seen.total_s, 1.0)
    route = max(claim.by_route, key=lambda one: claim.by_route[one])
    tell = _TELLERS[claim.code]
    cause = tell(Case(claim=claim, seen=seen, share=share, each_s=each_s, route=route))
    if claim.pool_s and claim.code != codes.POOL:
        wait_ratio = claim.pool_s / claim.total_s
        return replace(cause, evidence={**cause.evidence, "pool_wait_ratio": wait_ratio})
    return cause


_TELLERS: dict[str, Callable[[Case], Cause]] = {
    codes.INDEX: database.index,
    codes.REPEATED_CODE: database.repeated,
    codes.SLOW: database.slow,
    codes.MANY: database.many_rows,
    codes.BETWEEN: database.between,
    codes.LOCK: database.locked,
    codes.POOL: database.exhausted,
    codes.COMPUTES: process.blocking,
    codes.BLOCKS: process.blocking,
    codes.BUSY: process.busy,
    codes.HTTP: process.http,
    codes.HTTP_REPEATED: process.http_repeated,
    codes.UNSEEN: process.unseen,
    codes.AWAITS: awaiting,
    codes.THREADS: process.threads,
    codes.THROTTLED: process.throttled,
    codes.OUTSIDE: process.outside,
}
