"""
Stamping: whether the kernel's stamps (`instants`) are worth what they cost, for what is to be done.
"""

from __future__ import annotations

from keiko_perf.loadtest.pacer import Users
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.processes.share import Share

MOST_PER_S = 10_000.0
"""
A process that asks more often than this counts answers as they are read. At this pace a stamp and a
punctual request take 7 to 11 µs of CPU more than the 42 to 52 of an event loop's own connection: a
tenth of a core. At half of it they take 3; below that it is the waiting that costs, 5 % of a core.
"""

ITERATION = 10
"""So many requests an iteration of a scenario is taken for: how many there are, nobody says."""


def wants_stamps(plan: Plan, share: Share) -> bool:
    """
    Whether what one process does of *plan* is slow enough that it may take some microseconds of
    CPU more for each request, in order to know to the microsecond when its answer came.
    """
    load = plan.load
    if isinstance(load, Users):
        pauses_s = [one.pacing_s or one.think.mean_s or load.think_s for one in plan.scenarios]
        pause_s = min(pauses_s, default=load.think_s)
        if not pause_s:
            return False  # as fast as it goes
        per_s = load.count / pause_s
    else:
        per_s = load.peak_per_s
    if plan.scenarios:
        per_s *= ITERATION
    return per_s <= MOST_PER_S * share.of
