"""A service to look at in a browser, a day of windows, and all that went wrong on a page."""

from __future__ import annotations

import asyncio
import random
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI

from keiko_perf.model import BlockingCall, Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring import MemoryStore, Patience, PerformanceKPIs, PerformanceMonitor

TOKEN = "correct horse"
ATTACK = "<img src=x onerror=alert(1)>"
LIMIT_S, FAULT_S = 3.0, 3.5
"""No busy machine takes so long for an empty answer; with its fault the service always does."""
PATIENCE_MS = 240_000
# The load, the service and the browser share one machine: its speed must not decide.
CALM = PerformanceKPIs(
    api_response_time_p95=LIMIT_S * 1000,
    api_response_time_p99=LIMIT_S * 1000,
    cpu_usage_max=100.0,
    memory_usage_max=100.0,
    error_rate_max=100.0,
)


def service(**options):
    """An application with a fast route, one whose name is an attack, and a switch to slow down."""
    app = FastAPI()
    # Judged over so long that what was asked once stays in the picture for the whole test.
    monitor = PerformanceMonitor(
        window_s=1.0, patience=Patience(for_s=1), notify=(), metrics_window_s=400, **options
    )
    monitor.install(app)
    app.state.pause_s = 0.0

    @app.get("/agents")
    async def agents():
        await asyncio.sleep(app.state.pause_s)
        return []

    @app.get(f"/{ATTACK}")
    async def attack():
        return []

    return app, monitor


def a_day():
    """A store with a day of windows of four minutes, and a gap of an hour in it."""
    rng, store = random.Random(7), MemoryStore()
    end_at = datetime.now(UTC)
    for minute in range(24 * 60, 0, -4):
        if not 300 < minute <= 360:
            store.append(a_window(end_at - timedelta(minutes=minute), rng))
    return store


def a_window(at, rng):
    named = (
        (Kind.ROUTE, "GET /agents"),
        (Kind.ROUTE, f"GET /{ATTACK}"),
        (Kind.IN_SQL, "GET /agents"),
        (Kind.IN_LOOP, "GET /agents"),
        (Kind.TASK, ATTACK),
        (Kind.STATEMENT, f"SELECT '{ATTACK}' FROM agents WHERE id = ?"),
        (Kind.LOOP, "event loop"),
        (Kind.POOL, "agents"),
    )
    return Snapshot(
        started_at=at,
        window_s=240.0,
        series=tuple(
            Series(
                kind=kind,
                name=name,
                window_s=240.0,
                succeeded=Histogram(rng.lognormvariate(-4, 0.5) for _ in range(24)),
                failed=Histogram([0.2] if kind is Kind.ROUTE else []),
            )
            for kind, name in named
        ),
        gauges={
            name: Gauge.of(rng.random())
            for name in ("cpu_ratio", "memory_ratio", "pool_ratio", "pool_waiting")
        },
        blocking=(
            BlockingCall(
                place=f"{ATTACK}:7 add",
                stack=("main.py:1 run", f"{ATTACK}:7 add"),
                count=2,
                total_s=0.5,
                longest_s=0.3,
                last_at=at,
            ),
        ),
        worker="elsewhere",
    )


class Watched:
    """A page, and all that went wrong on it."""

    def __init__(
        self, browser, url, query="", *, clock=False, path="/performance/dashboard", **options
    ):
        self.complaints, self.requests = [], []
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda one: self.complaints.append(one.text))
        self.page.on("pageerror", lambda one: self.complaints.append(str(one)))
        self.page.on("dialog", lambda one: (self.complaints.append(one.message), one.dismiss()))
        self.page.on("request", lambda one: self.requests.append(one.url))
        if clock:
            self.page.clock.install()
        self.page.goto(f"{url}{path}{query}")

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def until(self, selector, pattern):
        found = self.page.locator(selector).filter(has_text=re.compile(pattern))
        found.first.wait_for(timeout=PATIENCE_MS)

    def still(self, locator):
        """Wait until it stands where it stood, for some frames."""
        self.page.wait_for_function(
            """element => new Promise(tell => {
              let [top, frames] = [null, 0];
              const look = () => {
                const now = element.getBoundingClientRect().top;
                frames = now === top ? frames + 1 : 0;
                top = now;
                frames > 30 ? tell(true) : requestAnimationFrame(look);
              };
              look();
            })""",
            arg=locator.element_handle(),
        )

    def close(self):
        self.context.close()


def ask(url, path, *, times, at_once=1):
    """Request *path* so many times; when it returns, all of them are answered."""
    with httpx.Client(base_url=url, timeout=240) as http, ThreadPoolExecutor(at_once) as pool:
        for answer in pool.map(lambda _: http.get(path), range(times)):
            answer.raise_for_status()


def serious(page):
    """What axe finds that is serious or critical."""
    return [
        (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


FOCUSED = "document.activeElement?.id === 'token'"
DRAWING = """(selector) => document.querySelector(selector + " canvas").toDataURL()"""


def drawing(seen, selector):
    seen.page.locator(f"{selector} canvas").wait_for()
    return seen.page.evaluate(DRAWING, selector)


# WCAG's contrast ratio of each text against the nearest opaque ground beneath it.
CONTRASTS = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) =>
      c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = {};
  for (const element of document.querySelectorAll("main *, header *, footer *")) {
    const own = [...element.childNodes].filter((one) => one.nodeType === 3 && one.data.trim());
    if (!own.length || !element.checkVisibility()) continue;
    if (element.closest("svg, .skip, .hidden, noscript")) continue;
    if (parseFloat(getComputedStyle(element).fontSize) === 0) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    found[own[0].data.trim()] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return found;
}"""
