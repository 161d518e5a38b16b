"""Which lines hold more memory than before."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model import Status
from keiko_perf.optimization import Growth, MemoryTracer, growth_report

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Service:
    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.last = b""

    def leak(self) -> None:
        self.kept.append(bytes(500_000))

    def work(self) -> None:
        self.last = bytes(300_000)


def test_a_line_that_leaks_is_found_and_one_that_only_works_is_not() -> None:
    service = Service()
    with MemoryTracer() as tracer:
        for _ in range(6):
            service.leak()
            service.work()
            tracer.snapshot()
    leaking, *others = tracer.growth()
    assert "self.kept.append(bytes(500_000))" in leaking.code
    assert leaking.place.endswith(f"test_tracer.py:{Service.leak.__code__.co_firstlineno + 1}")
    assert 3_000_000 <= leaking.grown_bytes < 3_100_000
    assert leaking.is_steady
    working = [one for one in others if "bytes(300_000)" in one.code]
    assert not any(one.is_steady for one in working)
    report = tracer.report(at=AT)
    assert report.status is Status.MISSED
    (finding,) = report.sections[0].findings
    assert (finding.code, finding.subject) == ("memory.grows", leaking.place)
    assert not tracemalloc.is_tracing()


def test_what_is_called_in_a_library_is_told_at_the_line_that_called_it() -> None:
    import json

    kept = []
    with MemoryTracer() as tracer:
        for _ in range(4):
            kept.append(json.loads("[" + ",".join(str(n) + ".5" for n in range(20_000)) + "]"))
            tracer.snapshot()
    assert "json.loads" in tracer.growth()[0].code


def test_looks_are_thinned_out_and_stay_bounded() -> None:
    with MemoryTracer(frames=1) as tracer:
        for _ in range(30):
            tracer.snapshot()
        tracer._snaps = tracer._snaps * 10
        tracer.snapshot()
    assert len(tracer._snaps) < 200


def test_without_two_looks_nothing_is_known() -> None:
    tracer = MemoryTracer()
    with pytest.raises(UsageError, match="Call start"):
        tracer.snapshot()
    assert tracer.growth() == []
    assert tracer.report(at=AT).status is Status.UNDECIDED
    with pytest.raises(UsageError, match="from 1 on"):
        MemoryTracer(frames=0)


def test_a_line_that_grew_once_or_little_is_no_finding() -> None:
    def grown(grown_bytes: int, *, is_steady: bool) -> Growth:
        return Growth(
            place="app.py:1",
            code="x",
            grown_bytes=grown_bytes,
            size_bytes=grown_bytes,
            blocks=1,
            is_steady=is_steady,
        )

    growth = [grown(10**9, is_steady=False), grown(1000, is_steady=True)]
    report = growth_report(growth, rss_bytes=[1, 2], traced_bytes=1, at=AT)
    assert report.status is Status.OK
    assert len(report.sections[0].tables[0].rows) == 2
