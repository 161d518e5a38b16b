"""What a service and its database did stands on the axis of the run, in the report and the file."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import jsonschema
import pytest

from keiko_perf.errors import DatabaseUnavailable
from keiko_perf.fakes import run_virtually, steady
from keiko_perf.loadtest import ConstantRate, Plan, Result, report
from keiko_perf.loadtest.saved.result import from_dict, result_schema, to_dict
from keiko_perf.loadtest.watching.sampling import Ask, Sampler
from keiko_perf.loadtest.watching.telemetry import (
    ACTIVE,
    CPU_S,
    HOLDS,
    LAGS,
    POOL_IN_USE,
    POOL_SIZE,
    POOL_WAITING,
    REQUESTS,
    STATEMENTS,
    THREADS_IN_USE,
    THREADS_SIZE,
    THREADS_WAITING,
    WAITS,
    WORKERS,
    Reading,
)
from keiko_perf.loadtest.watching.watched import Watched, watched
from keiko_perf.model import Resource
from keiko_perf.render import FORMATS, phrase, render

BEGUN_S = 1000.0


def service(at_s: float) -> Reading:
    """100 requests a second with 3 statements each, in a pool of 5 that is full."""
    count = 100 * at_s
    values = {
        f"{REQUESTS}_count": count,
        f"{REQUESTS}_sum": count * 0.3,
        f"{HOLDS}_sum": count * 0.05,
        f"{WAITS}_sum": count * 0.2,
        f"{STATEMENTS}_count": count * 3,
        f"{LAGS}_sum": at_s * 0.02,
        f"{LAGS}_count": at_s * 10,
        POOL_SIZE: 5.0,
        CPU_S: at_s * 0.2,
        WORKERS: 1.0,
    }
    return Reading(BEGUN_S + at_s, 0.002, values)


def database(at_s: float, *, lock: float = 0.0) -> Reading:
    return Reading(BEGUN_S + at_s, 0.001, {"running": 2.0, "lock": lock, "io": 0.0, "other": 0.0})


def seen(*, lock: float = 0.0) -> Watched:
    quarters = [one / 4 for one in range(-8, 60)]
    return watched(
        [service(one + 10) for one in quarters],
        [database(one, lock=lock) for one in quarters],
        begun_s=BEGUN_S + 10,
        duration_s=10,
    )


def test_the_lines_are_those_of_the_run_alone_on_its_axis() -> None:
    found = seen()
    for name, value in (
        ("rate_per_s", 100.0),
        ("response_s", 0.3),
        ("pool_in_use", 5.0),
        ("pool_wait_s", 0.2),
        ("loop_lag_s", 0.002),
        ("cpu_ratio", 0.2),
        ("statements", 3.0),
    ):
        points = found.lines[name]
        assert all(0 <= x <= 10 for x, _ in points)
        assert len(points) == 40
        assert all(y == pytest.approx(value) for _, y in points)
    assert (found.error_s, found.database_error_s) == (0.002, 0.001)


def test_what_was_not_read_is_absent() -> None:
    assert watched((), (), begun_s=0, duration_s=10) == Watched()
    assert "lock" not in seen().lines


def test_who_waits_for_locks_makes_them_a_resource() -> None:
    sessions = [database(one / 4, lock=4.0) for one in range(40, 80)]
    services = [service(one / 4) for one in range(40, 80)]
    found = watched(services, sessions, begun_s=BEGUN_S + 10, duration_s=10)
    assert found.window is not None
    uses = {one.resource: one for one in found.window.uses}
    assert uses[Resource.LOCKS].wait_s == pytest.approx(0.04)  # 4 at a time, 100 requests a second
    assert uses[Resource.DATABASE_CPU].busy == 2.0
    assert found.lines["lock"][0][1] == 4.0


def test_a_service_that_does_not_answer_its_watcher_is_not_called_idle() -> None:
    answered = [service(10 + one / 4) for one in range(8)]
    sessions = [database(10 + one / 4) for one in range(40)]
    found = watched(answered, sessions, begun_s=BEGUN_S + 10, duration_s=10)
    assert (found.silent_s, found.loaded_s) == (pytest.approx(8.25), pytest.approx(10.0))
    assert Watched.from_dict(found.to_dict()) == found
    plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=10)
    told = report(replace(run_virtually(plan, steady(0.3)), watched=found))
    text = render(told, "text")
    assert "The service told no figures for 8.25 s of 10 s" in " ".join(text.split())
    assert "no limit was reached" not in text
    assert seen().silent_s == 0.0


def hung(at_s: float, *, pool: float = 2.0, answered: float = 0.0) -> Reading:
    """A pool of 2 whose connections never come back, and 40 threads that wait for one."""
    values = {
        f"{REQUESTS}_count": answered * at_s / 10,
        ACTIVE: 100.0 * at_s,
        POOL_SIZE: 2.0,
        POOL_IN_USE: pool,
        POOL_WAITING: 38.0 if pool == 2 else 0.0,
        THREADS_SIZE: 40.0,
        THREADS_IN_USE: 40.0 if pool == 2 else 3.0,
        THREADS_WAITING: 100.0 * at_s - 40 if pool == 2 else 0.0,
    }
    return Reading(BEGUN_S + at_s, 0.002, values)


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        (
            2.0,
            "Under the load 4 requests were answered, and 1,000 were in the service at its end: "
            "DB pool: 2 of 2 in use, 38 wait for one, "
            "thread pool: 40 of 40 in use, 960 wait for one.",
        ),
        (
            0.0,
            "Under the load 4 requests were answered, and 1,000 were in the service at its end: "
            "what they wait for is no pool and no thread. keiko-perf doctor tells more.",
        ),
    ],
)
def test_where_next_to_nothing_was_answered_what_is_full_is_named(pool: float, says: str) -> None:
    readings = [hung(one / 4, pool=pool, answered=4) for one in range(41)]
    found = watched(readings, (), begun_s=BEGUN_S, duration_s=10)
    document = to_dict(replace(result(), watched=found))
    jsonschema.validate(document, result_schema())
    assert from_dict(document).watched == found
    section = next(
        one
        for one in report(replace(result(), watched=found)).sections
        if phrase(one.title) == "The service meanwhile"
    )
    assert phrase(section.paragraphs[0]) == says


def test_a_service_that_answers_or_has_little_in_hand_is_not_called_stuck() -> None:
    busy = [hung(one / 4, answered=5) for one in range(41)]
    idle = [hung(one / 400) for one in range(401)]
    assert watched(busy, (), begun_s=BEGUN_S, duration_s=10).stuck is None
    assert watched(idle, (), begun_s=BEGUN_S, duration_s=0.09).stuck is None
    assert seen().stuck is None


def test_a_long_run_has_no_more_points_than_can_be_drawn() -> None:
    readings = [service(one / 4) for one in range(20_000)]
    found = watched(readings, (), begun_s=BEGUN_S, duration_s=5000)
    assert all(len(points) <= 1200 for points in found.lines.values())


def result() -> Result:
    plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=10)
    return replace(run_virtually(plan, steady(0.3)), watched=seen())


def test_it_is_saved_and_older_files_are_still_read() -> None:
    document = to_dict(result())
    jsonschema.validate(document, result_schema())
    assert from_dict(document).watched == result().watched
    del document["watched"]
    assert from_dict(document).watched is None


def test_the_report_says_what_is_the_limit_and_draws_all_on_one_axis() -> None:
    told = report(result())
    section = next(one for one in told.sections if phrase(one.title) == "The service meanwhile")
    sentences = [phrase(one) for one in section.paragraphs]
    assert sentences[0].startswith("DB pool: 5 of 5 in use, hold 50 ms, ceiling 100/s")
    assert "within 2 ms" in sentences[1]
    assert "within 1 ms" in sentences[2]
    titles = [phrase(chart.title) for one in told.sections for chart in one.charts]
    for title in ("Connections of the DB pool", "CPU of the workers", "Waits in the service"):
        assert title in titles


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_report_can_be_had_in_each_form(format: str, lang: str) -> None:
    assert render(report(result()), format, lang=lang)


# The sampler


def test_a_sampler_asks_again_and_again_and_leaves_what_it_opened() -> None:
    asked: list[float] = []
    left: list[bool] = []

    @asynccontextmanager
    async def source() -> AsyncIterator[Ask]:
        async def ask() -> Mapping[str, float]:
            asked.append(1.0)
            return {"running": float(len(asked))}

        try:
            yield ask
        finally:
            left.append(True)

    turn = threading.Event()
    with Sampler(source) as sampler:
        while len(sampler.readings) < 3:
            turn.wait(0.01)  # the sampler's thread has its turn
    assert left == [True]
    readings = sampler.readings
    assert [one.values["running"] for one in readings[:3]] == [1.0, 2.0, 3.0]
    assert readings[0].at_s < readings[1].at_s < readings[2].at_s
    assert all(one.error_s >= 0 for one in readings)


def test_what_cannot_be_opened_is_said_at_once() -> None:
    @asynccontextmanager
    async def source() -> AsyncIterator[Ask]:
        raise DatabaseUnavailable("the database is away", cure="Start it")
        yield

    with pytest.raises(DatabaseUnavailable, match="is away"), Sampler(source):
        pass


def test_what_goes_away_meanwhile_leaves_what_was_read() -> None:
    @asynccontextmanager
    async def source() -> AsyncIterator[Ask]:
        count = 0

        async def ask() -> Mapping[str, float]:
            nonlocal count
            count += 1
            if count > 1:
                raise DatabaseUnavailable("the database went away", cure="Start it")
            return {"running": 1.0}

        yield ask

    with Sampler(source) as sampler:
        sampler._thread.join(30)
    assert len(sampler.readings) == 1
