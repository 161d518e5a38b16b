"""
Pools: how full the connection pools of a service are, what a connection costs to get, and how long
it is held.

A wait goes into Kind.POOL and a hold into Kind.HOLD, by the pool's name; how many connections there
may be, how many are in use, and who waits, are gauges over all pools of the process. `pool_ratio`
is that of the fullest one, for that is where requests queue.
"""

from keiko_perf.monitoring.pools.occupancy import (
    POOL_IN_USE,
    POOL_RATIO,
    POOL_SIZE,
    POOL_WAITING,
    Occupancy,
    Turnstile,
    pools_of,
)
from keiko_perf.monitoring.pools.watch import watch_pool

__all__ = [
    "POOL_IN_USE",
    "POOL_RATIO",
    "POOL_SIZE",
    "POOL_WAITING",
    "Occupancy",
    "Turnstile",
    "pools_of",
    "watch_pool",
]
