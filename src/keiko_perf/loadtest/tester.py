"""
LoadTester: the guide's front door to the load engine, in its units: milliseconds and per cent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from keiko_perf.loadtest.headers import bearer
from keiko_perf.loadtest.pacer import Users
from keiko_perf.loadtest.plan import Limits, Plan, Step
from keiko_perf.loadtest.progress import OnTick
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.running import run


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestResult:
    """
    Attributes:
        total_requests: how many were finished, well or not.
        successful_requests: how many had an answer below 400.
        failed_requests: how many had another one, or none.
        avg_response_time: of the successful ones, in ms; None if none succeeded.
        p95_response_time: likewise.
        p99_response_time: likewise.
        requests_per_second: over the time that the test took in truth.
        error_rate: in per cent; None if no request was finished.
        result: all that was measured.
    """

    total_requests: int
    successful_requests: int
    failed_requests: int
    avg_response_time: float | None
    p95_response_time: float | None
    p99_response_time: float | None
    requests_per_second: float
    error_rate: float | None
    result: Result = field(repr=False)


class LoadTester:
    """
    Puts one endpoint under the load of a number of users who don't stop to think.

    Args:
        base_url: of the service, such as `http://127.0.0.1:8000`.
        auth_token: the bearer token that every request carries; none if it is empty.
        own_target: the service is the caller's own, though its address is neither loopback nor
            private.

    Raises:
        UsageError: the URL or the token cannot be used.
    """

    def __init__(self, base_url: str, auth_token: str = "", *, own_target: bool = False) -> None:
        self.base_url = base_url
        self._headers = bearer(auth_token)
        self._own_target = own_target
        Plan(base_url=base_url, duration_s=1.0)  # refuses a URL that cannot be used, now

    def __repr__(self) -> str:
        return f"LoadTester({self.base_url!r})"

    async def run_load_test(
        self,
        endpoint: str,
        concurrent_users: int = 50,
        duration_seconds: float = 300,
        request_data: Any = None,
        *,
        on_tick: OnTick | None = None,
    ) -> LoadTestResult:
        """
        Have *concurrent_users* ask *endpoint* for *duration_seconds*.

        Args:
            endpoint: its path, with or without the first slash.
            concurrent_users: how many ask at the same time.
            duration_seconds: how long they ask.
            request_data: sent as JSON by POST; without it the method is GET.
            on_tick: called each second with the progress.

        Raises:
            UsageError: an argument makes no sense, or the target is somebody else's.
            ServiceUnavailable: the service's name leads nowhere.
        """
        path = "/" + endpoint.lstrip("/")
        step = Step(path=path) if request_data is None else Step.with_json(request_data, path)
        plan = Plan(
            base_url=self.base_url,
            steps=(step,),
            load=Users(concurrent_users),
            duration_s=duration_seconds,
            headers=self._headers,
            own_target=self._own_target,
            limits=Limits(duration_s=24 * 3600.0),
        )
        return summed_up(await run(plan, on_tick))


def summed_up(result: Result) -> LoadTestResult:
    """A result in the guide's names and units."""
    response = result.response
    succeeded = response.succeeded
    p95_s, p99_s = succeeded.quantiles((0.95, 0.99))
    ratio = response.error_ratio
    return LoadTestResult(
        total_requests=response.count,
        successful_requests=succeeded.count,
        failed_requests=response.errors,
        avg_response_time=_ms(succeeded.mean_s),
        p95_response_time=_ms(p95_s),
        p99_response_time=_ms(p99_s),
        requests_per_second=result.achieved_per_s,
        error_rate=None if ratio is None else ratio * 100,
        result=result,
    )


def _ms(duration_s: float | None) -> float | None:
    return None if duration_s is None else duration_s * 1000
