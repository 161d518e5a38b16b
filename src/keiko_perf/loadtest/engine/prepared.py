"""
Prepared: the requests of a plan's steps, written once before the load starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle

from keiko_perf.loadtest.headers import lowered
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.request import Observer, Request, Wishes, compose


def prepare(
    plan: Plan, observers: Sequence[Observer | None] = ()
) -> tuple[tuple[Request, ...], ...]:
    """The requests of each step, in the order of its rows; *observers* are one a step, or none."""
    watching = observers or (None,) * len(plan.steps)
    return tuple(
        tuple(
            _of_step(plan, index, path=path, observer=observer if step.streams else None)
            for path in step.paths()
        )
        for index, (step, observer) in enumerate(zip(plan.steps, watching, strict=True))
    )


def in_turn(prepared: Sequence[Sequence[Request]], order: Sequence[int]) -> Iterator[Request]:
    """Requests in the *order* of their steps, without end; each step goes through its rows."""
    rows = [cycle(requests) for requests in prepared]
    if len(rows) == 1:
        return rows[0]
    return (next(rows[step]) for step in cycle(order))


def _of_step(plan: Plan, index: int, *, path: str, observer: Observer | None) -> Request:
    step = plan.steps[index]
    headers = lowered(plan.headers) | lowered(step.headers)
    wishes = None
    if plan.accept_gzip:
        headers["accept-encoding"] = "gzip"
    if plan.accept_gzip or observer is not None or step.events:
        wishes = Wishes(takes_gzip=plan.accept_gzip, observer=observer, events=step.events)
    return compose(
        plan.target,
        path,
        step=index,
        method=step.method,
        headers=headers,
        body=step.body,
        upload=step.upload,
        wishes=wishes,
    )
