"""In a real browser: rows lead to pages of their own, and what came from outside stays text."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.monitoring.dashboard.browsing import (
    ATTACK,
    CALM,
    Watched,
    a_day,
    a_window,
    serious,
    service,
)

from keiko_perf.model import Severity, say
from keiko_perf.monitoring import Marker, SqliteStore, StoredMonitor
from keiko_perf.monitoring.alerts.alerting import CHANGES
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState
from keiko_perf.monitoring.alerts.records import alert_body
from keiko_perf.monitoring.changes import markers
from keiko_perf.monitoring.dashboard.serving import dashboards
from keiko_perf.optimization import AdaptiveLimiter

# Conditions are waited for, on a busy machine for longer than one test may take elsewhere.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def test_rows_sort_and_lead_to_pages_of_their_own(browser, live):
    app, _ = service(store=a_day())
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h")
        seen.page.locator("#endpoints").get_by_role("link", name="Errors").click()
        seen.page.locator("#endpoints th[aria-sort=descending]").wait_for()
        assert "sort-endpoints=error_ratio.desc" in seen.page.url
        seen.page.get_by_role("link", name=f"GET /{ATTACK}").click()
        seen.until("#subject h2", re.escape(f"GET /{ATTACK}"))
        seen.until("#chart-throughput .readout", "answered")
        seen.page.locator("#chart-cpu").wait_for(state="detached")
        address = seen.page.url
        seen.page.get_by_role("link", name="All of the service").click()
        seen.page.locator("#statements").get_by_role("link", name="SELECT").click()
        seen.until("#subject pre", re.escape(ATTACK))
        seen.until("#chart-throughput", "Executions")
        seen.page.goto(address)
        seen.until("#subject h2", re.escape(f"GET /{ATTACK}"))
        seen.until("#subject", "Share of time")
        assert seen.complaints == []
        seen.close()


def test_limiters_are_seen_by_their_names(browser, live):
    app, monitor = service()
    for name in ("database", ATTACK):
        monitor.recorder.add_probe(AdaptiveLimiter(name=name, first=7).gauges)
    with live(app) as url:
        seen = Watched(browser, url)
        seen.until("#limiters", "database")
        rows = seen.page.locator("#limiters tbody tr").all_inner_texts()
        assert len(rows) == 2
        assert ATTACK in rows[0]
        assert re.match(r"database\s+7\s+0\s+0\s+0\s+0", rows[1])
        assert seen.complaints == []
        seen.close()


def test_a_link_is_followed_also_where_its_table_is_drawn_anew_while_it_is_pressed(browser, live):
    app, _ = service(store=a_day())
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h")
        link = seen.page.locator("#endpoints").get_by_role("link", name="GET /agents")
        seen.until("#chart-throughput .readout", "answered")  # what is above it is there
        seen.still(link)
        link.hover()
        seen.page.mouse.down()
        cards = seen.page.locator("#cards").element_handle()
        seen.page.evaluate(  # they are drawn when the tables are
            "cards => new Promise(tell => "
            "new MutationObserver(tell).observe(cards, { childList: true, subtree: true }))",
            cards,
        )
        seen.page.mouse.up()
        seen.until("#subject h2", "GET /agents")
        seen.page.locator("#endpoints").wait_for(state="detached")
        assert seen.complaints == []
        seen.close()


def test_an_endpoint_has_a_page_that_says_where_its_time_went(browser, live):
    app, _ = service(store=a_day())
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h")
        seen.until("#endpoints tbody tr", r"GET /agents[^%]*%.*(SQL|event loop busy) \d")
        seen.page.get_by_role("link", name="GET /agents").click()
        seen.until("#parts", r"SQL[^%]*%[^%]*a request")
        assert seen.page.locator("#parts .parts-bar rect").count() == 2
        assert serious(seen.page) == []
        assert seen.complaints == []
        seen.close()


def test_what_an_exception_says_never_reaches_the_page(browser, live):
    app, _ = service(kpis=CALM)
    secret = "password=hunter2"

    @app.get("/broken")
    async def broken():
        raise RuntimeError(f"{ATTACK} {secret}")

    with live(app) as url:
        # uvicorn closes a connection on which an application has raised, sooner or later.
        once = {"Connection": "close"}
        with httpx.Client(base_url=url, timeout=240, headers=once) as http:
            assert http.get("/broken", params={"token": secret}).status_code == 500
            told = [
                http.get(f"/performance/{path}").text
                for path in ("metrics", "history", "timeline", "tables", "health", "prometheus")
            ]
        assert any("/broken" in one for one in told)
        assert not [one for one in told if "hunter2" in one or ATTACK in one]
        seen = Watched(browser, url)
        seen.until("#endpoints", "GET /broken")
        assert "hunter2" not in seen.page.content()
        assert seen.page.locator("main img").count() == 0
        seen.close()


def test_an_alert_that_ended_for_want_of_figures_is_not_shown_as_good(browser, live):
    app, monitor = service(store=a_day())
    ended_at = datetime.now(UTC) - timedelta(hours=2)
    well = Alert(
        metric="error_rate",
        severity=Severity.CRITICAL,
        state=AlertState.RESOLVED,
        message=say("it is well again"),
        since=ended_at - timedelta(hours=1),
        changed_at=ended_at,
    )
    unknown = replace(well, metric="api_response_time", unknown_since=well.since)

    def keep(page):
        for one in (well, unknown):
            page.put(CHANGES, one.metric, one.changed_at, alert_body(one))

    monitor.journal.write(keep)
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h")
        seen.until("#alerts [data-level=good]", "resolved")
        seen.until("#alerts tr:has([data-level=unknown])", "resolved.*api_response_time")
        assert seen.complaints == []
        seen.close()


def test_what_comes_from_outside_stays_text_also_in_notes_and_stacks(browser, live):
    app, monitor = service(store=a_day())
    markers.add(monitor.journal, Marker(at=datetime.now(UTC) - timedelta(hours=2), text=ATTACK))
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h")
        seen.until("#changes", re.escape(ATTACK))
        seen.until("#tasks", re.escape(ATTACK))
        seen.page.get_by_role("link", name=f"{ATTACK}:7 add").click()
        seen.until("#stack", re.escape("main.py:1 run"))
        seen.until("#stack .is-place", re.escape(f"{ATTACK}:7 add"))
        assert "blocking=" in seen.page.url
        assert seen.page.locator("main img").count() == 0
        assert seen.complaints == []
        seen.close()


def test_the_first_page_of_several_services_leads_to_each(browser, live, tmp_path):
    stores = {}
    for name in ("agents", "shop"):
        kept = SqliteStore(tmp_path / f"{name}.db")
        kept.append(a_window(datetime.now(UTC) - timedelta(seconds=30), random.Random(1)))
        kept.close()
        stores[name] = StoredMonitor(kept.path)
    with live(dashboards(stores)) as url:
        seen = Watched(browser, url, path="/")
        seen.until("#services", "agents")
        assert serious(seen.page) == []
        seen.page.get_by_role("link", name="shop").click()
        seen.until("#host", "shop")
        seen.until("#endpoints", "GET /agents")
        assert seen.complaints == []
        seen.close()


def test_a_statement_is_copied_whole(browser, live):
    app, _ = service(store=a_day())
    with live(app) as url:
        options = {"permissions": ["clipboard-read", "clipboard-write"]}
        seen = Watched(browser, url, "?range=24h", **options)
        seen.page.locator("#statements").get_by_role("button", name="Copy").click()
        seen.until("#statements", "Copied")
        copied = seen.page.evaluate("navigator.clipboard.readText()")
        assert copied == f"SELECT '{ATTACK}' FROM agents WHERE id = ?"
        seen.close()
