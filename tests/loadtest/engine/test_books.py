"""The short ways of the engine count what the long ways count; and merging loses nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loadtest.conftest import raw_server

from keiko_perf.fakes import Answer, run_virtually, steady
from keiko_perf.loadtest import (
    ConstantRate,
    ErrorGroup,
    Failure,
    InFlight,
    Plan,
    Progress,
    Step,
    Users,
    run,
)
from keiko_perf.loadtest.processes.merging import MOST_GROUPS, merged_progress, merged_results
from keiko_perf.model import OTHER


def plan(**changes) -> Plan:
    given = {"base_url": "http://service", "load": ConstantRate(100), "duration_s": 3}
    return Plan(**(given | changes))


# Users who ask again at once


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 8),
    times_s=st.lists(st.floats(0.001, 0.7), min_size=1, max_size=6),
    bad_every=st.integers(2, 9),
    warmup_s=st.floats(0, 1.3),
)
def test_users_who_ask_at_once_are_counted_as_a_naive_model_counts_them(
    count, times_s, bad_every, warmup_s
):
    model: list[tuple[int, float, bool]] = []  # interval, response time, whether it was good
    number = 0

    def service(now_s, _request):
        nonlocal number
        number += 1
        after_s, is_good = times_s[number % len(times_s)], number % bad_every != 0
        if now_s >= warmup_s:
            model.append((int(now_s - warmup_s), after_s, is_good))
        return Answer(after_s, 200 if is_good else 503)

    result = run_virtually(plan(load=Users(count), warmup_s=warmup_s), service)
    timeline = result.timeline("GET /")
    good = [one for one in model if one[2]]
    assert result.offered == result.response.count == len(model)
    assert result.response.succeeded.count == len(good)
    assert [second.count for second in timeline] == [
        sum(at == position for at, _, _ in good) for position in range(len(timeline))
    ]
    assert result.response.succeeded.sum_s == pytest.approx(sum(one for _, one, _ in good))
    assert result.step("GET /").failures == tuple(
        sum(at == position for at, _, is_good in model if not is_good)
        for position in range(len(timeline))
    )
    assert result.in_flight.peak <= count
    assert result.invalid == ()


def test_progress_of_users_who_ask_at_once_is_up_to_date():
    seen: list[Progress] = []
    run_virtually(plan(load=Users(4)), steady(0.01), seen.append)
    assert [one.offered for one in seen[:2]] == pytest.approx([404, 804], abs=5)
    assert [one.succeeded for one in seen[:2]] == pytest.approx([400, 800], abs=5)
    assert seen[1].rate_per_s == seen[1].offered_per_s == pytest.approx(400, abs=5)
    assert seen[1].in_flight == 4


def test_progress_late_in_a_run_tells_all_failures_since_its_beginning():
    seen: list[Progress] = []

    def service(now_s, _request):
        return Answer(0.01, 500 if int(now_s * 10) % 10 == 3 else 200)

    run_virtually(plan(duration_s=40), service, seen.append)
    for one in seen[:39]:
        (step,) = one.steps
        assert step.whole.succeeded.count == one.succeeded
        assert step.whole.failed.count == one.failed
        assert step.recent.count <= one.offered
    assert seen[38].steps[0].whole.failed.count == 390
    assert seen[38].steps[0].recent.failed.count == pytest.approx(100, abs=10)


# Lag of each step


def test_response_is_lag_and_service_for_each_step():
    steps = (Step(path="/slow"), Step(path="/fast"))

    def service(_now_s, request):
        return Answer(0.03 if request.path == "/slow" else 0.001)

    result = run_virtually(plan(steps=steps, connections=1, load=ConstantRate(50)), service)
    for step in result.steps:
        assert step.lag.succeeded.count == step.response.succeeded.count == 75
        assert step.response.sum_s == pytest.approx(step.lag.sum_s + step.service.sum_s)
    assert sum(step.lag.sum_s for step in result.steps) == pytest.approx(result.lag.sum_s)
    assert result.late.max_s == 0


def test_failures_have_a_lag_of_their_own():
    result = run_virtually(plan(connections=1), lambda _now_s, _request: Answer(0.02, 500))
    (step,) = result.steps
    assert step.lag.succeeded.count == 0
    assert step.lag.failed.count == step.response.failed.count > 0
    assert step.response.failed.sum_s == pytest.approx(
        step.lag.failed.sum_s + step.service.failed.sum_s
    )


# Answers that are the same to the last byte


async def test_an_answer_that_equals_the_last_one_is_counted_like_it_and_another_is_not():
    """The same bytes are compared and not read; one byte less or more is read as ever."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
    answers = (
        [head + b"hello"] * 3 + [missing] * 3 + [head + b"other"] * 2 + [missing, head + b"hello"]
    )
    sent = iter(answers)

    async def behave(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(next(sent, head + b"hello"))

    async with raw_server(behave) as url:
        plan = Plan(base_url=url, load=ConstantRate(50), duration_s=0.2, connections=1)
        result = await run(plan)
    assert result.response.succeeded.count == 6
    (group,) = result.errors
    assert (group.failure, group.count) == (Failure.HTTP_4XX, 4)


async def test_a_surplus_after_an_answer_that_was_seen_before_is_still_noticed():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    sent = iter([answer, answer, answer + b"!"])

    async def behave(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(next(sent, answer))

    async with raw_server(behave) as url:
        plan = Plan(base_url=url, load=ConstantRate(50), duration_s=0.1, connections=1)
        result = await run(plan)
    assert [group.failure for group in result.errors] == [Failure.PROTOCOL]
    assert result.response.succeeded.count == 4


# Merging


def test_errors_of_processes_are_added_up_by_class_step_and_detail():
    base = run_virtually(plan(), steady(0.01))

    def group(**changes) -> ErrorGroup:
        given = {
            "failure": Failure.RESET,
            "step": "GET /",
            "detail": "gone",
            "count": 2,
            "first_s": 1.0,
            "last_s": 2.0,
            "example": "curl a",
        }
        return ErrorGroup(**(given | changes))

    one = replace(base, errors=(group(), group(detail="other")))
    two = replace(base, errors=(group(count=5, first_s=0.5, last_s=1.5, example="curl b"),))
    assert merged_results([one, two]).errors == (
        group(count=7, first_s=0.5, last_s=2.0, example="curl b"),
        group(detail="other"),
    )
    many = [replace(base, errors=tuple(group(detail=f"{n}{i}") for i in range(80))) for n in "ab"]
    folded = merged_results(many).errors
    assert len(folded) == MOST_GROUPS + 1
    assert sum(each.count for each in folded) == 320
    assert folded[0].detail == folded[0].step == OTHER
    assert folded[0].count == 120


def test_requests_in_flight_of_processes_are_added_up():
    base = run_virtually(plan(), steady(0.01))
    parts = [
        replace(base, in_flight=InFlight(samples=9, mean=1.5, peak=3, timeline=(1.0, 2.0, None))),
        replace(base, in_flight=InFlight(samples=7, mean=2.0, peak=4, timeline=(3.0, None))),
    ]
    assert merged_results(parts).in_flight == InFlight(
        samples=7, mean=3.5, peak=7, timeline=(4.0, None, None)
    )


def test_the_busiest_process_and_the_oldest_request_count():
    base = run_virtually(plan(), steady(0.01))
    parts = [
        replace(base, cpu_ratio=0.3, unfinished=1, unfinished_s=2.0, duration_s=3.1),
        replace(base, cpu_ratio=None, unfinished=2, unfinished_s=5.0, interrupted=True),
        replace(base, cpu_ratio=0.95),
    ]
    merged = merged_results(parts, lost=1)
    assert (merged.cpu_ratio, merged.unfinished, merged.unfinished_s) == (0.95, 3, 5.0)
    assert merged.duration_s == merged.response.window_s == 3.1
    assert merged.interrupted
    assert merged.environment["processes"] == "4"
    reasons = [reason.template for reason in merged.invalid]
    assert any("of its core" in reason for reason in reasons)
    assert any("ended before the run did" in reason for reason in reasons)


def test_progress_of_processes_is_one_progress():
    seen: list[Progress] = []
    run_virtually(plan(), steady(0.01), seen.append)
    one = seen[1]
    both = merged_progress([one, replace(one, cpu_ratio=0.5, elapsed_s=9.0)])
    assert (both.offered, both.in_flight) == (2 * one.offered, 2 * one.in_flight)
    assert both.rate_per_s == 2 * one.rate_per_s
    assert (both.cpu_ratio, both.elapsed_s, both.total_s) == (0.5, 9.0, one.total_s)
    assert both.steps[0].whole.succeeded.count == 2 * one.steps[0].whole.succeeded.count
    assert both.steps[0].whole.window_s == one.steps[0].whole.window_s
    assert both.recent.succeeded.quantile(0.5) == one.recent.succeeded.quantile(0.5)
