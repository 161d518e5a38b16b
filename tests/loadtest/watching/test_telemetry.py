"""What a service counted between two readings is what it did between them."""

from __future__ import annotations

import pytest

from keiko_perf.loadtest.watching.telemetry import (
    CPU_S,
    HOLDS,
    LAGS,
    OFFSET_ERROR_S,
    OFFSET_S,
    POOL_SIZE,
    REQUESTS,
    WAITS,
    WORKERS,
    Reading,
    clock_offset,
    read_text,
    window_between,
)
from keiko_perf.model import Resource

TEXT = """# HELP http_server_request_duration_seconds Duration.
http_server_request_duration_seconds_bucket{http_route="/a",le="0.1"} 3
http_server_request_duration_seconds_sum{http_route="/a b",x="} 9"} 1.5
http_server_request_duration_seconds_count{http_route="/a b",x="} 9"} 3
http_server_request_duration_seconds_sum{http_route="/b"} 0.5
http_server_request_duration_seconds_count{http_route="/b"} 1
keiko_pool_size 5.0
keiko_build_info{python="3.11"} 1.0
db_client_connection_use_time_seconds_sum{pool="main"} nonsense
"""


def test_the_text_is_summed_over_labels_and_nonsense_left_out() -> None:
    assert read_text(TEXT) == {
        f"{REQUESTS}_sum": 2.0,
        f"{REQUESTS}_count": 4.0,
        POOL_SIZE: 5.0,
    }
    assert read_text("") == {}


def reading(at_s: float, *, requests: float, **more: float) -> Reading:
    values = {f"{REQUESTS}_count": requests, f"{REQUESTS}_sum": requests * 0.3, **more}
    return Reading(at_s, 0.001, values)


def full_pool(at_s: float) -> Reading:
    """100 requests a second, each of which has a connection for 0.05 s after 0.2 s."""
    count = 100 * at_s
    return reading(
        at_s,
        requests=count,
        **{
            f"{HOLDS}_sum": count * 0.05,
            f"{HOLDS}_count": count,
            f"{WAITS}_sum": count * 0.2,
            f"{WAITS}_count": count,
            f"{LAGS}_sum": at_s * 10 * 0.002,
            f"{LAGS}_count": at_s * 10,
            POOL_SIZE: 5.0,
            CPU_S: at_s * 0.2,
            WORKERS: 1.0,
        },
    )


def test_two_readings_give_rates_demands_and_waits() -> None:
    window = window_between([full_pool(one / 4) for one in range(80)], 5, 15)
    assert window is not None
    assert window.rate_per_s == pytest.approx(100)
    assert window.response_s == pytest.approx(0.3)
    uses = {one.resource: one for one in window.uses}
    pool, cpu = uses[Resource.POOL], uses[Resource.CPU]
    assert (pool.busy, pool.capacity, pool.wait_s) == pytest.approx((5, 5, 0.2))
    assert window.ceiling_per_s(pool) == pytest.approx(100)
    assert (cpu.busy, cpu.wait_s) == pytest.approx((0.2, 0.002))
    assert window.ceiling_per_s(cpu) == pytest.approx(500)


def test_what_was_not_read_twice_or_counts_anew_is_not_told() -> None:
    readings = [full_pool(one / 4) for one in range(80)]
    assert window_between(readings, 100, 110) is None
    assert window_between(readings, 5, 5.3) is None  # too short to tell
    restarted = [reading(1, requests=500), reading(3, requests=20)]
    assert window_between(restarted, 0, 9) is None
    assert window_between([reading(1, requests=5), reading(3, requests=5)], 0, 9) is None


def test_a_service_without_a_pool_has_no_use_of_one() -> None:
    window = window_between([reading(1, requests=100), reading(3, requests=300)], 0, 9)
    assert window is not None
    assert window.uses == ()


def test_the_quickest_answer_tells_by_how_much_a_clock_is_ahead() -> None:
    answers = [(10.0, 112.0, 10.5), (11.0, 111.05, 11.1), (12.0, 111.0, 12.3)]
    assert clock_offset(answers) == {
        OFFSET_S: pytest.approx(100.0),
        OFFSET_ERROR_S: pytest.approx(0.05),
    }
