"""
Ranking: symptoms → causes, that which users wait for most first. Pure.

A cause is named only if it is a notable share of what users wait for and costs a request enough to
be felt; what just costs the most of a service that is quick is no cause. Memory that grows costs
no time until it is used up; it stands behind what does. Where several things are wrong the smaller
of them may be no notable share of it all: those that are no guess are told besides, by `smaller`.
"""

from __future__ import annotations

from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.claim import Claim
from keiko_perf.doctor.claims import SLOW_CALL_S, claims
from keiko_perf.doctor.codes import (
    AWAITS,
    BLOCKS,
    BUSY,
    COMPUTES,
    HTTP,
    HTTP_REPEATED,
    INDEX,
    LOCK,
    MANY,
    OUTSIDE,
    REPEATED_CODE,
    UNSEEN,
)
from keiko_perf.doctor.stuck import stuck_causes
from keiko_perf.doctor.symptoms import Symptoms
from keiko_perf.doctor.words import told
from keiko_perf.doctor.words_of_process import memory_cause

LEAST_SHARE = 0.1
LEAST_EACH_S = 0.02
"""What a request has to lose by a cause. A tenth of the 200 ms that a service promises."""
LEAST_BUSY_S = 0.05
"""Of own code in many short steps: to read and write some JSON takes a part of that."""
LEAST_CURED_S = 0.01
"""Where a cure is known for sure: an index that was priced, a loop over single rows."""
LEAST_UNSEEN_SHARE = 0.3
LEAST_HELD_SHARE = 0.3
LEAST_HELD_EACH_S = 0.005
LEAST_HELD = 3
LEAST_RARE_SHARE = 0.02
LEAST_RARE_S = 0.1
LEAST_SHARE_OF_ROUTE = 0.3
"""What is a small part of all waiting may be why one route is slow, if it is no guess."""
LEAST_SMALLER_SHARE = 0.025
"""In forty looks at planted faults what was wrong had more than this, all else less than 2 %."""
LEAST_SMALLER_SHARE_OF_ROUTE = 0.05
LEAST_REQUESTS = 5
MOST_SMALLER = 3
MOST_CAUSES = 8
_SURE = frozenset((HTTP, HTTP_REPEATED, INDEX, REPEATED_CODE, MANY, LOCK, BLOCKS))
_HOLDS = frozenset((BLOCKS, COMPUTES))
_UNSEEN = frozenset((UNSEEN, OUTSIDE))
_GUESSED = _UNSEEN | {AWAITS}
_LEAST_S = {INDEX: LEAST_CURED_S, REPEATED_CODE: LEAST_CURED_S, BUSY: LEAST_BUSY_S}


def ranked(seen: Symptoms) -> tuple[Cause, ...]:
    """The causes of what users wait for; none if nothing is slow."""
    if seen.is_stuck:
        return stuck_causes(seen)
    total_s = seen.total_s
    named = [one for one in claims(seen) if total_s and is_worth_naming(one, seen)]
    named.sort(key=lambda one: (one.code in _UNSEEN, -one.total_s, one.code, one.subject))
    causes = [told(one, seen, each_s=each_s(one, seen)) for one in named[:MOST_CAUSES]]
    if seen.growth is not None:
        causes.append(memory_cause(seen.growth))
    return tuple(causes)


def smaller(seen: Symptoms) -> tuple[Cause, ...]:
    """What is sure to cost some users much, and is too small a part of it all to be a cause."""
    if seen.is_stuck or seen.requests < LEAST_REQUESTS:
        return ()
    found = [one for one in claims(seen) if _is_worth_a_word(one, seen)]
    found.sort(key=lambda one: (-one.total_s, one.code, one.subject))
    return tuple(told(one, seen, each_s=each_s(one, seen)) for one in found[:MOST_SMALLER])


def _is_worth_a_word(claim: Claim, seen: Symptoms) -> bool:
    if claim.code not in _SURE | {COMPUTES} or is_worth_naming(claim, seen):
        return False
    if claim.total_s < LEAST_SMALLER_SHARE * seen.total_s:
        return False
    is_felt = each_s(claim, seen) >= _LEAST_S.get(claim.code, LEAST_EACH_S)
    return (
        is_felt
        and not _is_a_quick_host(claim)
        and any(
            claim.by_route.get(one.route, 0.0) >= LEAST_SMALLER_SHARE_OF_ROUTE * one.total_s > 0
            for one in seen.routes
        )
    )


def _is_a_quick_host(claim: Claim) -> bool:
    if claim.code != HTTP:
        return False
    host = claim.about["host"]
    return bool(host.total_s < SLOW_CALL_S * host.count)


def is_worth_naming(claim: Claim, seen: Symptoms) -> bool:
    """Whether users feel it."""
    if seen.requests < LEAST_REQUESTS:
        return False
    if _is_a_quick_host(claim):
        return False
    least_share = LEAST_UNSEEN_SHARE if claim.code in _GUESSED else LEAST_SHARE
    if claim.total_s >= least_share * seen.total_s:
        return each_s(claim, seen) >= _least_each_s(claim, seen)
    return claim.code in _SURE and is_most_of_a_route(claim, seen)


def _least_each_s(claim: Claim, seen: Symptoms) -> float:
    """
    What a request has to lose by it. What holds the loop for long makes those slow that come
    meanwhile, however few they are of all.
    """
    if claim.code in _HOLDS and claim.total_s >= LEAST_HELD_SHARE * seen.total_s:
        call = claim.about["call"]
        if call.count >= LEAST_HELD and call.total_s >= LEAST_RARE_S * call.count:
            return LEAST_HELD_EACH_S
    return _LEAST_S.get(claim.code, LEAST_EACH_S)


def is_most_of_a_route(claim: Claim, seen: Symptoms) -> bool:
    """Whether a route is slow because of it, though there are few requests of that route."""
    if claim.total_s < LEAST_RARE_SHARE * seen.total_s:
        return False
    return any(
        one.count >= LEAST_REQUESTS
        and claim.by_route.get(one.route, 0.0)
        >= max(LEAST_RARE_S * one.count, LEAST_SHARE_OF_ROUTE * one.total_s)
        for one in seen.routes
    )


def each_s(claim: Claim, seen: Symptoms) -> float:
    """What a request loses by it, of the route that loses most."""
    counts = {one.route: one.count for one in seen.routes}
    if not counts:
        return float(claim.about["asked"].mean_s) if "asked" in claim.about else 0.0
    # A route that was asked for once tells of that once.
    return max(
        (
            seconds / counts[route]
            for route, seconds in claim.by_route.items()
            if counts.get(route, 0) >= min(LEAST_REQUESTS, max(counts.values()))
        ),
        default=0.0,
    )
