"""The guide's front door, on real served applications."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, HTTPException, Request

from keiko_perf import LoadTester, LoadTestResult
from keiko_perf.errors import UsageError

app = FastAPI()


@app.get("/api/v1/agents")
async def agents(request: Request) -> list[str]:
    if request.headers.get("authorization") != "Bearer secret":
        raise HTTPException(401)
    await asyncio.sleep(0.005)
    return ["a", "b"]


@app.post("/api/v1/agents")
async def create(request: Request) -> dict[str, object]:
    return {"got": await request.json()}


@pytest.fixture(scope="module")
def url(serve) -> Iterator[str]:
    with serve(app) as served:
        yield served


@pytest.mark.parametrize("endpoint", ["/api/v1/agents", "api/v1/agents"])
async def test_the_guides_call(url, endpoint):
    tester = LoadTester(url, "secret")
    result = await tester.run_load_test(endpoint, concurrent_users=5, duration_seconds=0.5)
    assert result.failed_requests == 0
    assert result.error_rate == 0
    assert result.total_requests == result.successful_requests > 10
    assert 5 < result.avg_response_time < 500  # ms: the endpoint sleeps for 5
    assert result.avg_response_time <= result.p99_response_time
    assert result.p95_response_time <= result.p99_response_time
    assert result.requests_per_second == pytest.approx(
        result.total_requests / result.result.duration_s
    )
    assert result.result.duration_s >= 0.5


async def test_data_is_posted_as_json(url):
    tester = LoadTester(url, "secret")
    result = await tester.run_load_test("/api/v1/agents", 2, 0.2, {"name": "x"})
    assert result.failed_requests == 0
    assert result.result.steps[0].name == "POST /api/v1/agents"


async def test_a_wrong_token_is_all_errors_and_no_latency(url):
    result = await LoadTester(url, "wrong").run_load_test("/api/v1/agents", 2, 0.2)
    assert result.successful_requests == 0
    assert result.error_rate == 100
    assert result.avg_response_time is None
    assert result.p95_response_time is result.p99_response_time is None
    assert "wrong" not in result.result.errors[0].example


def test_the_token_is_nowhere_to_be_seen():
    assert "hunter2" not in repr(LoadTester("http://127.0.0.1", "hunter2"))


def test_a_url_that_cannot_be_used_is_refused_at_once():
    with pytest.raises(UsageError, match="no http or https URL"):
        LoadTester("127.0.0.1:8000", "")


def test_the_result_has_the_guides_names_and_is_frozen():
    names = [field.name for field in dataclasses.fields(LoadTestResult)]
    assert names[:8] == [
        "total_requests",
        "successful_requests",
        "failed_requests",
        "avg_response_time",
        "p95_response_time",
        "p99_response_time",
        "requests_per_second",
        "error_rate",
    ]
    assert LoadTestResult.__dataclass_params__.frozen
