"""
Holding: whose the wait for connections is. Pure.

It belongs to whatever the connections are held for, if most of that can be cured; else to the pool.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.doctor.claim import Claim
from keiko_perf.doctor.codes import AWAITS, BLOCKS, BUSY, COMPUTES, OUTSIDE, POOL, UNSEEN
from keiko_perf.doctor.symptoms import Symptoms

MOST_OF_IT = 0.5
"""Of what connections are held for: what takes as much is what they are held for."""
CROWDED = 0.5
"""From this share of the time on that the loop is at work, who is ready waits for the others."""
_OF_THE_LOOP = frozenset((COMPUTES, BLOCKS, BUSY, OUTSIDE))


def pool_claims(seen: Symptoms, of_statements: list[Claim], others: list[Claim]) -> Iterator[Claim]:
    """
    The wait for connections, by what those are held for.

    While one is held a statement runs, or the request is elsewhere, and there as other requests are
    when they are in no statement. What can be cured gets its share; where that is most of it, all.
    """
    waits = {one.route: one.pool_s for one in seen.routes if one.pool_s}
    if not waits:
        return
    shares, nobodys = _held_for(seen, of_statements, others)
    known = sum(share for _, share in shares)
    if known >= MOST_OF_IT * (1.0 - nobodys) and known:
        shares = [(one, share * (1.0 - nobodys) / known) for one, share in shares]
    else:
        pool = Claim(code=POOL, subject="pool")
        shares = [*shares, (pool, max(1.0 - nobodys - known, 0.0))]
        yield pool
    for one, share in shares:
        for route, waited_s in waits.items():
            one.by_route[route] += waited_s * share
            one.pool_s += waited_s * share


def _held_for(
    seen: Symptoms, of_statements: list[Claim], others: list[Claim]
) -> tuple[list[tuple[Claim, float]], float]:
    """
    The share of each claim that can be cured in the time that connections are held, and the share
    of the machine, which had no processor for the service: that is nobody's.
    """
    held_s = 0.0 if seen.pool is None else seen.pool.held_s(seen.window_s)
    if not held_s:
        return [], 0.0
    in_sql_s = min(sum(one.sql_s for one in seen.routes), held_s)
    asking = _asking(of_statements, in_sql_s, held_s)
    unfinished = _held_by_unfinished(of_statements, held_s)
    kept = max(_kept_s(seen) / held_s - sum(share for _, share in unfinished), 0.0)
    idle = max(1.0 - in_sql_s / held_s - sum(share for _, share in unfinished) - kept, 0.0)
    outside_s = sum(one.total_s - one.sql_s - one.pool_s for one in seen.routes)
    if not outside_s or not idle:
        return asking + unfinished, 0.0
    known = [one for one in others if one.code not in (UNSEEN, AWAITS)]
    meanwhile = [(one, idle * one.total_s / outside_s) for one in known]
    rest_s = max(outside_s - sum(one.total_s for one in known), 0.0)
    nobodys = idle * _of_the_machine_s(seen, others, rest_s) / outside_s
    return asking + unfinished + meanwhile, nobodys


def _kept_s(seen: Symptoms) -> float:
    """For how long connections were held that do not come back: for nothing that requests do."""
    lost = None if seen.pool is None else seen.pool.lost(seen.window_s, seen.workers)
    return (lost or 0.0) * seen.window_s


def _asking(
    of_statements: list[Claim], in_sql_s: float, held_s: float
) -> list[tuple[Claim, float]]:
    """The shares of statements that run, which together run no longer than the requests wait."""
    curable = [one for one in of_statements if one.is_curable]
    asking_s = sum(one.total_s for one in curable)
    shrink = min(1.0, in_sql_s / asking_s) if asking_s else 0.0
    return [(one, one.total_s * shrink / held_s) for one in curable]


def _held_by_unfinished(of_statements: list[Claim], held_s: float) -> list[tuple[Claim, float]]:
    """The shares of statements that had not come back when the window ended."""
    return [
        (one, min(one.about["unfinished_s"] / held_s, 1.0))
        for one in of_statements
        if "unfinished_s" in one.about
    ]


def _of_the_machine_s(seen: Symptoms, others: list[Claim], rest_s: float) -> float:
    """Of *rest_s*, for which nothing else has a claim: what was lost for want of a processor."""
    on_loop_s = sum(one.code_s + one.loop_s for one in seen.routes)
    claimed_s = sum(one.total_s for one in others if one.code in _OF_THE_LOOP)
    of_the_loop_s = max(on_loop_s - claimed_s, 0.0) if seen.queued_ratio else 0.0
    # Whatever else a request did meanwhile took longer as well for want of a processor.
    slowed_s = (rest_s - of_the_loop_s) * _slowed_ratio(seen)
    return of_the_loop_s + max(slowed_s, 0.0)


def _slowed_ratio(seen: Symptoms) -> float:
    """
    Of what a request awaits that nothing watches: the share for which it waits for a processor.

    A thread waits whenever it is at work. The loop notices late that something has come to its end
    as far as it stands in the queue itself, and that is little where it has little to do: a sleep
    takes no longer on a busy machine.
    """
    elsewhere_s = sum(one.elsewhere_s for one in seen.routes)
    in_threads_s = sum(one.elsewhere_s for one in seen.routes if one.in_thread)
    threads = in_threads_s / elsewhere_s if elsewhere_s else 0.0
    code_s, there_s = sum(one.code_s for one in seen.routes), seen.window_s * seen.workers
    crowded = min(code_s / (there_s * CROWDED), 1.0) if there_s else 1.0
    return (seen.queued_ratio or 0.0) * (threads + (1.0 - threads) * crowded)
