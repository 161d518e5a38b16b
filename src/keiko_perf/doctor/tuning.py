"""
Tuning: what the optimization advises about a service, for its dashboard.

    monitor.reports.append(tuning_of(monitor))

The dashboard asks for it while a page is open. It measures nothing itself: it reads what the
monitor knows, and the source line of what held the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from heapq import nsmallest
from typing import Any

from keiko_perf.doctor.advice import LineOf, advised, asked_again
from keiko_perf.doctor.telling import told_by
from keiko_perf.model import Report, Section, Status, say
from keiko_perf.monitoring.export.attributed import attributed
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.optimization.blocking_advice import advise_blocking
from keiko_perf.optimization.memory.startup import source_line

LAST_S = 900.0
"""Over how long it is looked at; what is asked again, over the last hour."""
MOST_CALLS = 5


def tuning_of(
    monitor: Monitor, *, line_of: LineOf = source_line
) -> Callable[[], Awaitable[Report]]:
    """
    What asks *monitor*, and reports what is advised: lines to write instead of those that hold the
    event loop, caches, another event loop.

    Args:
        monitor: of the service.
        line_of: the source of a place such as `app.py:42 find`, or an empty text.
    """

    async def ask() -> Report:
        document = await attributed(monitor, LAST_S)
        # Source files are read and parsed: not in the service's own loop.
        return await asyncio.to_thread(tuning_report, document, monitor, line_of)

    return ask


def tuning_report(document: Mapping[str, Any], monitor: Monitor, line_of: LineOf) -> Report:
    """The report, of what the monitor tells (`/performance/attribution`)."""
    seen = told_by(document).symptoms
    _, beside = advised((), seen)
    calls = nsmallest(MOST_CALLS, seen.blocking, key=lambda one: (-one.total_s, one.place))
    advice = (*advise_blocking(calls, line_of=line_of), *beside)
    table = asked_again(seen.repeats)
    return Report(
        command="tuning",
        title=say("What would make it quicker"),
        headline=say("{count:count} change(s) advised", count=len(advice)),
        status=Status.OK,
        created_at=monitor.now(),
        sections=(
            Section(
                title=say("Advice"),
                recommendations=advice,
                tables=() if table is None else (table,),
            ),
        ),
    )
