"""
Advice: what the optimization knows to do about what the doctor saw, with the evidence. Pure.

A call that holds the event loop gets the line to write instead, a pool that is waited for its size,
a service that is busy on asyncio's own loop another one, and what is asked again a cache. A cache
is advised only where users would feel it; nothing of this was verified, and it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from keiko_perf.doctor import codes
from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.shape import told as statement_told
from keiko_perf.doctor.symptoms import Symptoms
from keiko_perf.errors import UsageError
from keiko_perf.model import Column, Kind, Recommendation, Repeats, Table, say
from keiko_perf.model.repeats import TTLS_S
from keiko_perf.optimization.blocking_advice import advise_blocking, advise_uvloop
from keiko_perf.optimization.caching.advice import ENOUGH_CALLS, advise_caching, worth_keeping
from keiko_perf.optimization.pool import advise_pool

LEAST_SPARED = 0.1
"""Of all the time that users wait: what a cache has to spare to be worth one."""
LEAST_EACH_S = 0.01
MOST_CACHES = 3
MOST_ROWS = 10
LineOf = Callable[[str], str]


def advised(
    causes: Sequence[Cause], seen: Symptoms, *, line_of: LineOf | None = None
) -> tuple[tuple[Cause, ...], tuple[Recommendation, ...]]:
    """
    The causes with what is known to do about them, and what is advised beside them.

    Args:
        causes: in any order.
        seen: what they were found in.
        line_of: the source of a place such as `app.py:42 find`, or an empty text.
    """
    caches = _caches(seen)
    cured = tuple(_cured(one, seen, caches, line_of) for one in causes)
    uvloop = _uvloop(seen)
    return cured, (*caches.values(), *(() if uvloop is None else (uvloop,)))


def asked_again(repeats: Iterable[Repeats]) -> Table | None:
    """What caches would have answered, of what took the most time; None if little was seen."""
    worth = [one for one in repeats if one.calls >= ENOUGH_CALLS]
    if not worth:
        return None
    return Table(
        title=say(
            "Asked again: the share of the answers that a cache would have given, by how long it "
            "keeps them"
        ),
        columns=(
            Column(say("endpoint or statement")),
            Column(say("looked at"), "count"),
            Column(say("mean"), "duration"),
            *(Column(say("{ttl:duration}", ttl=ttl_s), "ratio") for ttl_s in TTLS_S),
            Column(say("out of date"), "ratio"),
        ),
        rows=tuple(map(_row, sorted(worth, key=lambda one: -one.took_s))),
    ).first(MOST_ROWS)


def _row(one: Repeats) -> tuple[object, ...]:
    by_ttl = {kept.ttl_s: kept for kept in one.kept}
    # Of the cache that pays; where none does, of the one that keeps answers for longest.
    told = worth_keeping(one) or max(one.kept, key=lambda kept: kept.ttl_s, default=None)
    name = statement_told(one.subject, 80) if one.kind is Kind.STATEMENT else one.subject
    return (
        name,
        one.calls,
        one.took_s / one.calls,
        *(by_ttl[ttl_s].hits / one.calls if ttl_s in by_ttl else None for ttl_s in TTLS_S),
        None if told is None or not told.hits else told.stale / told.hits,
    )


# What to do about a cause

_MADE = {
    "sqlalchemy": "create_async_engine(url, pool_size={size}, max_overflow=0)",
    "asyncpg": "asyncpg.create_pool(dsn, max_size={size})",
    "psycopg": "AsyncConnectionPool(conninfo, max_size={size})",
}
"""What makes a pool, by whose it is."""


def _cured(
    cause: Cause, seen: Symptoms, caches: dict[str, Recommendation], line_of: LineOf | None
) -> Cause:
    if cause.cure is not None:
        return cause
    if cause.code == codes.COMPUTES and "rows_per_call" in cause.evidence:
        return cause  # what is too much is too much in a process of its own as well
    if cause.code in (codes.BLOCKS, codes.COMPUTES):
        calls = [one for one in seen.blocking if one.place == cause.subject]
        for advice in advise_blocking(calls, line_of=line_of):
            return replace(cause, cure=advice.statement)
    if cause.code == codes.POOL and "kept" not in cause.evidence:
        size = _pool_size(seen)
        return cause if size is None else replace(cause, cure=size)
    cache = caches.get(cause.route)
    if cache is not None and cause.code in (
        codes.SLOW,
        codes.HTTP,
        codes.HTTP_REPEATED,
        codes.UNSEEN,
        codes.BUSY,
    ):
        return replace(cause, cure=cache.statement)
    return cause


def _pool_size(seen: Symptoms) -> str | None:
    """What to write for a pool that is large enough, if the database has as many connections."""
    pool = seen.pool
    if pool is None or not pool.size or not pool.mean_hold_s or not seen.window_s:
        return None
    workers = pool.workers or seen.workers
    try:
        advice = advise_pool(
            checkouts_per_s=pool.waits / seen.window_s,
            hold_s=pool.mean_hold_s,
            workers=workers,
            **({} if seen.max_connections is None else {"max_connections": seen.max_connections}),
        )
    except UsageError:
        return None
    if not advice.fits or advice.size_per_worker <= pool.size / workers:
        return None
    (kind,) = pool.kinds if len(pool.kinds) == 1 else ("sqlalchemy",)
    made = _MADE.get(kind, _MADE["sqlalchemy"]).format(size=advice.size_per_worker)
    return f"{made}  # in each worker; {advice.most_per_worker} at most"


# What is advised beside the causes


def _caches(seen: Symptoms) -> dict[str, Recommendation]:
    """By endpoint or statement; a statement only where no endpoint that sends it is advised."""
    found: dict[str, Recommendation] = {}
    of_statement: dict[str, list[str]] = {}
    for asked in seen.asked:
        of_statement.setdefault(asked.statement, []).append(asked.route)
    felt = {one.subject for one in _felt(seen)}
    for advice in sorted(
        advise_caching(one for one in seen.repeats if one.subject in felt),
        key=lambda one: one.subject in of_statement,
    ):
        senders = of_statement.get(advice.subject, ())
        if len(found) < MOST_CACHES and not any(route in found for route in senders):
            found[advice.subject] = advice
    return found


def _felt(seen: Symptoms) -> Iterator[Repeats]:
    """What is no quick answer, and of which a cache would spare users a notable part of all."""
    spent = {one.route: one.total_s for one in seen.routes}
    for asked in seen.asked:
        spent[asked.statement] = spent.get(asked.statement, 0.0) + asked.total_s
    for one in seen.repeats:
        kept = worth_keeping(one)
        if kept is None or not one.took_s or one.took_s < LEAST_EACH_S * one.calls:
            continue
        spared_s = spent.get(one.subject, 0.0) * kept.spared_s / one.took_s
        if spared_s >= LEAST_SPARED * seen.total_s > 0:
            yield one


def _uvloop(seen: Symptoms) -> Recommendation | None:
    if not seen.loop or not seen.window_s or not seen.routes:
        return None
    worked_s = seen.window_s * seen.workers
    return advise_uvloop(
        loop=seen.loop,
        requests_per_s=seen.requests / worked_s,
        busy_ratio=sum(one.code_s for one in seen.routes) / worked_s,
    )
