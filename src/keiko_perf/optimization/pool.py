"""
How large a connection pool should be, from how long connections are held (Little's law).

On average `checkouts a second × seconds held` connections are in use. They come and go by chance,
so a pool that is waited for by one in a hundred needs some more: as many as a Poisson number with
that mean keeps to 99 times in 100. More than that only moves the queue into the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, sqrt

from keiko_perf.errors import UsageError

_EASE = 0.99
_RESERVED = 3
_LARGE = 700.0  # beyond, exp(-mean) is too small for a float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolAdvice:
    """
    Attributes:
        busy: how many connections are in use on average, over all workers.
        size_per_worker: how large each worker's pool should be.
        most_per_worker: how large it may be: the server's connections, shared out.
        fits: whether the server has as many as are needed.
    """

    busy: float
    size_per_worker: int
    most_per_worker: int
    fits: bool


def advise_pool(
    *,
    checkouts_per_s: float,
    hold_s: float,
    workers: int = 1,
    max_connections: int = 100,
    reserved: int = _RESERVED,
) -> PoolAdvice:
    """
    What `pool_size` (with `max_overflow=0`) should be in each of the workers.

    Args:
        checkouts_per_s: how often a connection is taken from the pools of all workers together.
        hold_s: how long it is held, on average, from being taken to being given back.
        workers: how many processes have a pool, on all machines.
        max_connections: PostgreSQL's setting of that name.
        reserved: how many of these are for others: superusers, migrations, tools.

    Raises:
        UsageError: a number makes no sense, or the workers are more than the connections.
    """
    if checkouts_per_s < 0 or hold_s < 0 or workers < 1 or reserved < 0:
        raise UsageError(
            "a pool is sized from a rate and a time from 0 on and at least one worker",
            cure="Give checkouts_per_s and hold_s as measured, and the number of processes",
        )
    most = (max_connections - reserved) // workers
    if most < 1:
        raise UsageError(
            f"{workers} workers cannot share {max_connections} connections, {reserved} reserved",
            cure="Raise max_connections, run fewer workers, or put PgBouncer in between",
        )
    busy = checkouts_per_s * hold_s
    needed = max(1, _at_ease(busy / workers))
    return PoolAdvice(
        busy=busy,
        size_per_worker=min(needed, most),
        most_per_worker=most,
        fits=needed <= most,
    )


def _at_ease(mean: float) -> int:
    """What a Poisson number with this mean keeps to 99 times in 100."""
    if mean > _LARGE:
        return ceil(mean + 2.326 * sqrt(mean))  # by then it is as good as normal
    count, one = 0, exp(-mean)
    all_up_to = one
    while all_up_to < _EASE:
        count += 1
        one *= mean / count
        all_up_to += one
    return count
