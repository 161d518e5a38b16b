"""
The one error of whatever is not a plan, with how to get one.
"""

from __future__ import annotations

from keiko_perf.errors import UsageError

CURE = "Pass all that EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) printed"


def no_plan(why: str, cure: str = CURE) -> UsageError:
    """What could not be read, and why."""
    return UsageError(f"this is not a plan that can be read: {why}", cure=cure)
