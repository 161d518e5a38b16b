"""In a real browser the dashboard lives, complains of nothing, and is zoomed by mouse and keys."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta

import httpx
import pytest
import uvicorn
from tests.monitoring.dashboard.browsing import (
    ATTACK,
    CALM,
    DRAWING,
    FAULT_S,
    Watched,
    a_day,
    ask,
    drawing,
    service,
)

# Conditions are waited for, on a busy machine for longer than one test may take elsewhere.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def test_the_page_lives_shows_the_trouble_and_complains_of_nothing(browser, live):
    app, _ = service(kpis=CALM)
    with live(app) as url:
        seen = Watched(browser, url)
        seen.until("#connection", "live")
        seen.until("#cards", "no data")
        assert "no request was seen" in seen.text("#cards")
        ask(url, "/agents", times=80)
        ask(url, f"/{ATTACK}", times=1)
        seen.until("#verdict", "targets met")
        seen.until("[data-check=api_response_time][data-level=good] .value", r"\d ms")
        seen.until("#chart-throughput .readout", "answered")
        seen.until("#endpoints", "GET /agents")
        assert ATTACK in seen.text("#endpoints")
        drawn = drawing(seen, "#chart-durations")
        figures = seen.text("#cards")
        app.state.pause_s = FAULT_S
        ask(url, "/agents", times=20, at_once=20)
        seen.until("#verdict", r"response time p9\d is .*, limit .* mostly from GET /agents")
        seen.until("#verdict-since", r"since \d\d:\d\d.* the load was .*/s")
        seen.until("#alerts", "firing|pending")
        seen.page.wait_for_function(f"({DRAWING})('#chart-durations') !== {drawn!r}")
        assert seen.text("#cards") != figures
        assert seen.page.locator("main img").count() == 0
        assert seen.complaints == []
        assert all(one.startswith(url) for one in seen.requests)
    seen.close()


def test_a_page_says_that_its_service_is_gone_and_goes_on_once_it_is_back(browser):
    app, _ = service()
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with serving(app, first):
            seen = Watched(browser, f"http://127.0.0.1:{port}", clock=True)
            seen.until("#connection", "^live$")
    seen.until("#connection", "reconnecting")
    seen.page.clock.fast_forward(20_000)
    seen.until("#connection", r"stale: no answer since \d\d:\d\d:\d\d")
    again, _ = service()
    with socket.create_server(("127.0.0.1", port)) as second, serving(again, second):
        seen.page.clock.fast_forward(20_000)
        seen.until("#connection", "^live$")
    seen.close()


@contextmanager
def serving(app, listener):
    """Serves from a socket of the caller's own, so that a service can come back to its port."""
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


def test_a_selection_in_one_chart_becomes_the_range_of_all_and_stands_in_the_address(browser, live):
    app, _ = service(store=a_day())
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h")
        canvas = seen.page.locator("#chart-durations .u-over")
        canvas.wait_for()
        # What comes in later moves what stands below it: the mouse must not miss the chart.
        seen.until("#cards", "Response time p95")
        seen.until("#endpoints", "GET /agents")
        seen.still(canvas)
        assert seen.page.locator("[data-range='24h'][aria-current=true]").count() == 1
        box = canvas.bounding_box()
        with seen.page.expect_response(lambda one: "/tables?from=" in one.url):
            seen.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 50)
            seen.page.mouse.down()
            seen.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50, steps=4)
            seen.page.mouse.up()
        found = re.search(r"from=(.+?)&to=(.+)$", httpx.URL(seen.page.url).query.decode())
        start_at, end_at = (
            datetime.fromisoformat(one.replace("%3A", ":").replace("Z", "+00:00"))
            for one in found.groups()
        )
        assert end_at - start_at == pytest.approx(timedelta(hours=4.8), abs=timedelta(minutes=15))
        seen.until("#connection", "not live: a fixed range")
        shared = Watched(browser, url, f"?{httpx.URL(seen.page.url).query.decode()}")
        shared.until("#endpoints", "GET /agents")
        assert shared.text(".free summary") == seen.text(".free summary")
        shared.close()
        seen.page.go_back()
        seen.until("#connection", "^live$")
        assert "range=24h" in seen.page.url
        assert seen.complaints == []
        seen.close()


def test_the_keyboard_reads_values_in_all_charts_and_zooms(browser, live):
    app, _ = service(store=a_day())
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h")
        plot = seen.page.locator("#chart-throughput .plot")
        plot.locator(".u-over").wait_for()
        plot.focus()
        for _ in range(3):
            seen.page.keyboard.press("ArrowLeft")
        seen.until("#charts-at", r"\d\d:\d\d – .*\d\d:\d\d")
        seen.until("#spoken", r"Requests: .*answered")
        seen.page.keyboard.press("Home")
        seen.page.keyboard.press("+")
        seen.page.wait_for_url(re.compile("from="))
        seen.close()


def test_a_gap_is_a_gap(browser, live):
    app, _ = service(store=a_day())
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h")
        with seen.page.expect_response(lambda one: "/timeline?" in one.url) as answer:
            seen.page.reload()
        # Asked again: it may have been the answer to the page that went, whose body went with it.
        columns = seen.page.request.get(answer.value.url).json()["columns"]
        for name in ("p95", "ok", "cpu", "pool"):
            # The range begins and ends amid a stretch.
            inside = list(enumerate(columns[name]))[4:-4]
            gaps = [at for at, value in inside if value is None]
            assert 14 <= len(gaps) <= 16, name
            assert gaps == list(range(gaps[0], gaps[-1] + 1)), name
        seen.close()
