"""Windows to keep, and what a store has of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from keiko_perf.model import BlockingCall, Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.storage.store import Store

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def window(after_s: float = 0.0, *, worker: str = "w1", duration_s: float = 0.1) -> Snapshot:
    return Snapshot(
        started_at=NOON + timedelta(seconds=after_s),
        window_s=10.0,
        series=(
            Series(
                kind=Kind.ROUTE,
                name="GET /agents/{agent_id}",
                window_s=10.0,
                succeeded=Histogram([duration_s] * 3),
                failed=Histogram((2.0,)),
            ),
        ),
        gauges={"cpu_ratio": Gauge.of(0.25, 0.5)},
        counters={"arrived": 4},
        worker=worker,
    )


def everything(store: Store) -> list[Snapshot]:
    return store.between(NOON - 1000 * DAY, NOON + 1000 * DAY)


def blocking(place: str, total_s: float) -> BlockingCall:
    return BlockingCall(
        place=place, count=1, total_s=total_s, longest_s=total_s, last_at=NOON, computed_s=0.0
    )
