"""The doctor on the demo with a planted fault, as in `make faults`: it is the first one named."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiko_perf.cli.doctor import service_at
from keiko_perf.demo.child import running_service
from keiko_perf.demo.rows import FULL_TASKS, Sizes
from keiko_perf.demo.settings import DemoSettings, Fault
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.doctor.visit import visit
from keiko_perf.loadtest.headers import bearer
from keiko_perf.loadtest.pacer import Users
from keiko_perf.loadtest.plan import Plan, Step
from keiko_perf.loadtest.running import run

from .conftest import SCALE, TOKEN

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
SIZES = Sizes(tasks=round(FULL_TASKS * SCALE))
LOOKS_S = 5.0
AGENT = "/api/v1/agents/{agent_id}"


@pytest.mark.parametrize(
    ("fault", "path", "code", "subject"),
    [
        (Fault.ROW_LOCK, AGENT, "locks.waiting", "tenants"),
        (Fault.SLOW_HTTP, "/api/v1/search?q={q}", "http.slow", "127.0.0.1:"),
        (Fault.HTTP_LOOP, "/api/v1/search?q={q}", "http.repeated", "127.0.0.1:"),
        (Fault.N_PLUS_ONE, "/api/v1/agents?limit=50", "statements.repeated", "list_agents"),
    ],
)
async def test_the_fault_is_named_first(
    shared_url: str, tmp_path: Path, fault: Fault, path: str, code: str, subject: str
) -> None:
    settings = DemoSettings(
        database_url=shared_url, token=TOKEN, faults=frozenset({fault}), window_s=1.0, workers=0
    )
    rows = tuple({"agent_id": 1 + number % SIZES.agents, "q": "Badeki"} for number in range(20))
    async with running_service(settings, log=tmp_path / "log", patience_s=90) as url:
        plan = Plan(
            base_url=url,
            steps=(Step(path=path, rows=rows),),
            load=Users(4),
            duration_s=LOOKS_S,
            timeout_s=60.0,
            headers=bearer(TOKEN),
        )
        async with Database.connect(shared_url) as database:
            report = await visit(
                service=service_at(url, TOKEN),
                database=database,
                seconds=LOOKS_S,
                load=lambda: run(plan),
            )
    first = next(report.findings)
    assert (first.code, subject in first.subject) == (code, True), first
