"""The doctor's page in a real browser: offline, in light and dark, on a screen and on a phone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from keiko_perf.doctor import Symptoms, ranked
from keiko_perf.doctor.report import Seen, doctor_report
from keiko_perf.doctor.symptoms import Growth, HostTime, IndexCure, LockWait, PoolUse, RouteTime
from keiko_perf.model import Asked, BlockingCall, Exemplar, Gap, say
from keiko_perf.monitoring.kpis import PerformanceKPIs
from keiko_perf.render import render

pytestmark = pytest.mark.browser

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TASKS = (
    "SELECT tasks.id, tasks.title, tasks.created_at FROM tasks WHERE tasks.agent_id = $1 "
    "AND tasks.status = $2 ORDER BY tasks.created_at DESC LIMIT $3"
)
ROUTES = (
    RouteTime(route="GET /api/v1/agents/{agent_id}/tasks", count=300, sql_s=28.0, pool_s=6.0,
              code_s=0.4, loop_s=3.0),
    RouteTime(route="GET /api/v1/agents", count=200, sql_s=6.0, code_s=2.0, loop_s=2.5),
    RouteTime(route="POST /api/v1/conversations/{conversation_id}/messages", count=80, http_s=9.0,
              code_s=0.2, loop_s=0.4, elsewhere_s=0.3),
)  # fmt: skip
CURE = IndexCure(
    statement=TASKS,
    sql="CREATE INDEX CONCURRENTLY tasks_agent_id_status_created_at_idx "
    "ON tasks (agent_id, status, created_at DESC)",
    undo="DROP INDEX CONCURRENTLY tasks_agent_id_status_created_at_idx",
    places=("tasks (agent_id, status, created_at DESC)",),
    factor=47.5,
    verified_by="hypopg",
)


def page_of(lang: str = "en") -> str:
    """All that the doctor can say at once."""
    symptoms = Symptoms(
        window_s=20.0,
        routes=ROUTES,
        asked=(
            Asked(route=ROUTES[0].route, statement=TASKS, requests=300, count=300, total_s=28.0,
                  most=1),
            Asked(route=ROUTES[1].route, statement="SELECT name FROM tools WHERE agent_id = $1",
                  requests=200, count=9600, total_s=5.5, most=48,
                  place="app/routes/agents.py:81 list_agents"),
        ),
        blocking=(
            BlockingCall(place="app/moderation.py:58 ask", count=60, total_s=3.0, longest_s=0.07,
                         computed_s=0.01, last_at=NOW),
        ),
        pool=PoolUse(waits=500, wait_s=6.0, failed=0, holds=500, hold_s=34.0, size=5.0, in_use=1.7),
        outgoing=(HostTime(host="ranking.internal", count=80, total_s=9.0, failed=2),),
        locks=(
            LockWait(statement="UPDATE tenants SET n = $1", ratio=0.4, looks=30, on="tenants"),
        ),
        looks=200,
        cures=(CURE,),
        growth=Growth(per_s=400_000.0, grown_bytes=8e6, over_s=20.0, rss_bytes=3e8,
                      full_in_s=5400.0, blocks_per_s=900.0),
        has_database=True,
    )  # fmt: skip
    seen = Seen(
        symptoms=symptoms,
        verdicts=tuple(one.judge(None) for one in PerformanceKPIs().targets()),
        exemplars=(
            Exemplar(route=ROUTES[0].route, at=NOW, duration_s=0.41, status=200,
                     parts_s=(0.3, 0.05, 0.0, 0.01, 0.05, 0.0), statements=((TASKS, 1, 0.3),)),
        ),
        gaps=(
            Gap(
                subject=say("who waits for whom in the database"),
                reason=say("the server did not answer: {message}", message="permission denied"),
                remedy=say("As a superuser: GRANT pg_monitor TO {user}", user="app"),
            ),
        ),
        limit="DB pool: 1.7 of 5 in use",
        environment={"service": "localhost:8000", "database": "app", "PostgreSQL": "15.4"},
    )  # fmt: skip
    return render(doctor_report(ranked(symptoms), seen, now=NOW), "html", lang=lang)


@pytest.fixture(params=["en", "de"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "doctor.html"
    file.write_text(page_of(request.param), encoding="utf-8")
    return file


def opened(browser: Browser, file: Path, *, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The page without a network, and all that it complained about or asked for."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url))
    page.goto(file.as_uri())
    return page, wrong


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_opens_offline_fits_and_can_be_read(
    browser: Browser, file: Path, scheme: str, width: int
) -> None:
    page, wrong = opened(browser, file, width=width, scheme=scheme)
    for summary in page.query_selector_all("summary"):
        summary.click()
    assert wrong == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST) >= 4.5
    page.context.close()


CONTRAST = """
() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).slice(0, 3).map((one) => {
      const share = one / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/rgba\\(.*, 0\\)|transparent/.test(color) && !/rgba/.test(color)) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const ratios = [...document.querySelectorAll('h1, h2, h3, p, td, th, dt, dd, summary')]
    .filter((one) => one.textContent.trim() && one.getClientRects().length)
    .map((one) => {
      const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort();
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    });
  return Math.min(...ratios);
}
"""


def test_the_first_thing_one_reads_is_the_first_cause_and_its_cure_is_one_click(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "doctor.html"
    file.write_text(page_of(), encoding="utf-8")
    page, _ = opened(browser, file, width=390, scheme="light")
    first = page.evaluate("document.querySelector('header').innerText")
    assert "of the time that users wait is the statement" in first
    page.click("pre >> nth=0")
    assert page.evaluate("getSelection().toString()").strip() == CURE.sql
    page.context.close()
