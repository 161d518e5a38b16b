"""
Telling: what a service tells of itself (`/performance/attribution`), as symptoms. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keiko_perf.doctor.growth import growth_of
from keiko_perf.doctor.symptoms import (
    Growth,
    HostTime,
    PoolUse,
    RouteTime,
    StatementTime,
    Symptoms,
    ThreadUse,
)
from keiko_perf.errors import ServiceUnavailable
from keiko_perf.model import Asked, BlockingCall, Exemplar, Kept, Kind, Repeats
from keiko_perf.model.awaited import AwaitedAt

VERSION = 1
_PARTS = ("sql_s", "pool_s", "http_s", "code_s", "loop_s", "elsewhere_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    What a service told.

    Attributes:
        has_attribution: whether it records where the time goes.
        requests: how many there were, whether or not it does.
        symptoms: what it shows of itself; that of the database is not among it.
        sent: the statements that it sent, by its own count.
        exemplars: slow requests of each route.
        limit: what limits the service or will do so next, by the utilisation law, in its words.
    """

    has_attribution: bool
    requests: int = 0
    symptoms: Symptoms = field(default_factory=Symptoms)
    sent: tuple[StatementTime, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()
    limit: str = ""


def told_by(document: Mapping[str, Any]) -> Told:
    """
    What *document* says.

    Raises:
        ServiceUnavailable: it is of a form that is not known.
    """
    try:
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        return _told(document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ServiceUnavailable(
            "the service tells where its time goes in a form that this keiko-perf does not know",
            cure="Let both be of the same version",
        ) from error


def _told(document: Mapping[str, Any]) -> Told:
    routes = document.get("routes", ())
    return Told(
        has_attribution=bool(document["attribution"]),
        requests=sum(int(one["count"]) for one in routes),
        symptoms=_symptoms(document, routes, document.get("gauges", {})),
        sent=tuple(
            StatementTime(
                statement=str(one["name"]), count=int(one["count"]), total_s=float(one["total_s"])
            )
            for one in document.get("statements", ())
        ),
        exemplars=tuple(_exemplar(one) for one in document.get("exemplars", ())),
        limit=str(document.get("limit", "")),
    )


def _symptoms(
    document: Mapping[str, Any], routes: Iterable[Mapping[str, Any]], gauges: Mapping[str, Any]
) -> Symptoms:
    workers = max(int(document.get("workers", 1)), 1)
    return Symptoms(
        window_s=float(document["window_s"]),
        routes=tuple(
            RouteTime(
                route=str(one["name"]),
                count=int(one["count"]),
                in_thread=bool(one.get("in_thread")),
                **{name: float(one["parts"][name]) for name in _PARTS},
            )
            for one in routes
            if any(one["parts"].values())
        ),
        asked=tuple(
            Asked(**{name: one[name] for name in Asked.__slots__})
            for one in document.get("asked", ())
        ),
        blocking=tuple(_call(one) for one in document.get("blocking", ())),
        pool=_pool(document.get("pool"), gauges, workers),
        outgoing=tuple(
            HostTime(
                host=str(one["name"]),
                count=int(one["count"]),
                total_s=float(one["total_s"]),
                failed=int(one["failed"]),
            )
            for one in document.get("outgoing", ())
        ),
        awaited=tuple(
            AwaitedAt(
                route=str(one["route"]),
                place=str(one["place"]),
                stack=tuple(map(str, one["stack"])),
                looks=int(one["looks"]),
            )
            for one in document.get("awaited", ())
        ),
        growth=_growth(document.get("memory", ()), gauges),
        queued_ratio=_mean(gauges, "cpu_queued_ratio"),
        throttled_ratio=_mean(gauges, "cpu_throttled_ratio"),
        threads=_threads(gauges),
        in_flight=_mean(gauges, "in_flight"),
        repeats=tuple(_repeats(one) for one in document.get("repeats", ())),
        workers=workers,
        loop=str(document.get("loop", "")),
    )


def _mean(gauges: Mapping[str, Any], name: str) -> float | None:
    return None if (gauge := gauges.get(name)) is None else float(gauge["mean"])


def _peak(gauges: Mapping[str, Any], name: str) -> float | None:
    return None if (gauge := gauges.get(name)) is None else float(gauge["peak"])


def _threads(gauges: Mapping[str, Any]) -> ThreadUse | None:
    size, in_use = _mean(gauges, "handler_threads_size"), _mean(gauges, "handler_threads_in_use")
    waiting = _mean(gauges, "handler_threads_waiting")
    if size is None or in_use is None or waiting is None:
        return None
    return ThreadUse(size=size, in_use=in_use, waiting=waiting)


def _call(one: Mapping[str, Any]) -> BlockingCall:
    return BlockingCall(
        place=str(one["place"]),
        stack=tuple(map(str, one["stack"])),
        count=int(one["count"]),
        total_s=float(one["total_s"]),
        longest_s=float(one["longest_s"]),
        computed_s=None if one["computed_s"] is None else float(one["computed_s"]),
        last_at=datetime.fromisoformat(one["last_at"]),
    )


def _repeats(one: Mapping[str, Any]) -> Repeats:
    return Repeats(
        kind=Kind(one["kind"]) if one["kind"] else None,
        subject=str(one["subject"]),
        calls=int(one["calls"]),
        took_s=float(one["took_s"]),
        kept=tuple(
            Kept(
                ttl_s=float(kept["ttl_s"]),
                hits=int(kept["hits"]),
                stale=int(kept["stale"]),
                spared_s=float(kept["spared_s"]),
            )
            for kept in one["kept"]
        ),
    )


def _pool(
    told: Mapping[str, Any] | None, gauges: Mapping[str, Any], workers: int
) -> PoolUse | None:
    """Those of all workers together: waits and holds are counted over all of them."""
    in_use, size = _mean(gauges, "pool_in_use"), _mean(gauges, "pool_size")
    if told is None or not (told["waits"]["count"] or in_use):
        return None
    own = int(told["workers"]) if "workers" in told else None
    workers = workers if own is None else own
    return PoolUse(
        waits=int(told["waits"]["count"]),
        wait_s=float(told["waits"]["total_s"]),
        failed=int(told["waits"]["failed"]),
        holds=int(told["holds"]["count"]),
        hold_s=float(told["holds"]["total_s"]),
        size=None if size is None else size * workers,
        in_use=None if in_use is None else in_use * workers,
        peak=_peak(gauges, "pool_in_use"),
        kinds=tuple(map(str, told.get("kinds", ()))),
        workers=own,
    )


def _exemplar(one: Mapping[str, Any]) -> Exemplar:
    return Exemplar(
        route=str(one["route"]),
        at=datetime.fromisoformat(one["at"]),
        duration_s=float(one["duration_s"]),
        status=int(one["status"]),
        parts_s=tuple(float(one["parts"][name]) for name in _PARTS),
        statements=tuple(
            (str(asked["statement"]), int(asked["count"]), float(asked["total_s"]))
            for asked in one["statements"]
        ),
    )


def _growth(workers: Iterable[Mapping[str, Any]], gauges: Mapping[str, Any]) -> Growth | None:
    """That of the worker that grows most."""
    found = []
    for worker in workers:
        told = worker["points"]
        points = [(float(at_s), float(held)) for at_s, held, _, _ in told]
        found.append(
            growth_of(
                points,
                limit_bytes=_limit(points, gauges),
                blocks=[(float(at_s), float(n)) for at_s, _, n, _ in told if n is not None],
                in_flight=[(float(at_s), float(n)) for at_s, _, _, n in told],
            )
        )
    return max((one for one in found if one is not None), key=lambda one: one.per_s, default=None)


def _limit(points: list[tuple[float, float]], gauges: Mapping[str, Any]) -> float | None:
    """How much there is room for: what is free of the container or machine, and what it holds."""
    ratio, held = gauges.get("memory_ratio"), gauges.get("memory_limit_bytes")
    if ratio is None or held is None or not points:
        return None
    return points[-1][1] + float(held["mean"]) * (1.0 - float(ratio["mean"]))
