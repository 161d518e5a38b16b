"""
What the dashboard costs: bytes, first paint, drawing a day, a live update, open pages.

The page is served by a real server with 24 h of history and looked at in Chromium. Its charts draw
four lines of 8,640 points, a day of windows of 10 s, and one live update of them; so does Plotly.js
(its `basic` bundle, its smallest with lines), on the same machine in turns. What open pages cost
the server is CPU time of its process over some beats, with one and with many pages, beside none.
Medians; times on a busy machine are longer, ratios hold.

    python benchmarks/dashboard.py [--pages 50] [--seconds 30] [--rounds 5] [--routes 10]

With `--routes 10000 --hours 0.25` it is the dashboard of a service with as many routes: how long
until its table has a row, and the CPU and memory of the service meanwhile; nothing else.

Plotly.js is fetched with `npm pack` for the comparison only; without npm its column is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, sync_playwright

from keiko_perf.loadtest.comparison.served import free_port
from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot

PAGE = Path(__file__).parents[1] / "src/keiko_perf/monitoring/dashboard/page"
PLOTLY = "plotly.js-basic-dist-min@3"
ROUTES = 10
MANY_ROUTES = 1000
SERVER = """
import sys, uvicorn
from fastapi import FastAPI
from keiko_perf.monitoring import PerformanceMonitor
app = FastAPI()
monitor = PerformanceMonitor(store=sys.argv[1], notify=())
monitor.install(app)
@app.get("/agents")
async def agents():
    return []
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", timeout_graceful_shutdown=1)
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    options.add_argument("--pages", type=int, default=50)
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--hours", type=float, default=24.0)
    options.add_argument("--routes", type=int, default=ROUTES)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "service.db"
        fill(store, hours=given.hours, routes=given.routes)
        with serving(store) as (url, pid):
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                if given.routes > MANY_ROUTES:
                    many_routes(browser, url, pid, given.routes)
                else:
                    over_the_wire(browser, url)
                    drawing(browser, Path(folder), given.rounds)
                browser.close()
            if given.routes <= MANY_ROUTES:
                open_pages(url, pid, given.pages, given.seconds)


# --- A day of a service --------------------------------------------------------------------------


def fill(store: Path, *, hours: float, routes: int) -> None:
    """Windows of some routes, of a minute as a store keeps them, and of 10 s for the last hour."""
    from keiko_perf.monitoring import SqliteStore

    rng, kept, now = random.Random(5), SqliteStore(store), datetime.now(UTC)
    age_s = hours * 3600
    while age_s > 10:
        window_s = 60.0 if age_s > 4_000 else 10.0
        kept.append(a_window(now - timedelta(seconds=age_s), window_s, rng, routes))
        age_s -= window_s
    kept.close()


def a_window(at: datetime, window_s: float, rng: random.Random, routes: int) -> Snapshot:
    def durations(mean_s: float, count: int) -> Histogram:
        return Histogram(rng.lognormvariate(math.log(mean_s), 0.6) for _ in range(count))

    series = [
        Series(
            kind=Kind.ROUTE,
            name=f"GET /things/{number}",
            window_s=window_s,
            succeeded=durations(0.005 * (number % 40 + 1), 60 if routes <= MANY_ROUTES else 8),
        )
        for number in range(routes)
    ]
    series.append(
        Series(kind=Kind.LOOP, name="event loop", window_s=window_s, succeeded=durations(0.001, 99))
    )
    gauges = {name: Gauge.of(rng.random()) for name in ("cpu_ratio", "memory_ratio", "pool_ratio")}
    return Snapshot(
        started_at=at, window_s=window_s, series=tuple(series), gauges=gauges, worker="elsewhere"
    )


@contextmanager
def serving(store: Path) -> Iterator[tuple[str, int]]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(store), str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{url}/agents")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(20)


# --- What a reader waits for ---------------------------------------------------------------------


def over_the_wire(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    client = context.new_cdp_session(page)
    client.send("Network.enable")
    received: dict[str, int] = {}
    names: dict[str, str] = {}
    client.on(
        "Network.responseReceived", lambda e: names.update({e["requestId"]: e["response"]["url"]})
    )
    client.on(
        "Network.loadingFinished",
        lambda e: received.update({e["requestId"]: int(e["encodedDataLength"])}),
    )
    page.goto(f"{url}/performance/dashboard?range=24h")
    page.locator("#chart-durations canvas").wait_for(timeout=60_000)
    page.locator("#endpoints table").wait_for(timeout=60_000)
    paint_ms = page.evaluate(
        "performance.getEntriesByType('paint')"
        ".find((one) => one.name === 'first-contentful-paint').startTime"
    )
    charted_ms = page.evaluate(
        "Math.max(...performance.getEntriesByType('resource')"
        ".filter((one) => one.name.includes('timeline')).map((one) => one.responseEnd))"
    )
    assets = sum(
        size
        for key, size in received.items()
        if "/static/" in names.get(key, "")
        or names.get(key, "").split("?")[0].endswith("dashboard")
    )
    figures = sum(
        size for key, size in received.items() if re.search("timeline|tables", names.get(key, ""))
    )
    print("The page with 24 h of history")
    print(f"  bytes of the page itself, compressed      {assets / 1024:8.1f} KiB (limit 150)")
    print(f"  bytes of a day's points and tables        {figures / 1024:8.1f} KiB")
    print(f"  first contentful paint                    {paint_ms:8.0f} ms  (limit 1,000)")
    print(f"  the day's points are there after          {charted_ms:8.0f} ms")
    context.close()


def many_routes(browser: Browser, url: str, pid: int, routes: int) -> None:
    """Until the table has a row, and what that took of the service."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    before_s, began_s = cpu_s(pid), time.monotonic()
    page.goto(f"{url}/performance/dashboard?range=15m")
    page.locator("#endpoints tbody tr").first.wait_for(timeout=120_000)
    waited_s = time.monotonic() - began_s
    held = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    print(f"The page of a service with {routes:,} routes")
    print(f"  the first row of its table is there after {waited_s:8.1f} s")
    print(f"  CPU of the service until then             {cpu_s(pid) - before_s:8.1f} s")
    print(
        f"  the most memory that it held              {int(held[1]) / 1024 if held else 0:8.0f} MiB"
    )
    page.close()


def drawing(browser: Browser, folder: Path, rounds: int) -> None:
    site = folder / "site"
    shutil.copytree(PAGE, site)
    for name in ("ours", "theirs"):
        shutil.copy(Path(__file__).with_name(f"dashboard_{name}.html"), site / f"{name}.html")
    pages = ["ours"] + (["theirs"] if fetch_plotly(site) else [])
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
    with files(site) as url:
        for _ in range(rounds):
            for name in pages:  # in turns, so that both see the same machine
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"{url}/{name}.html")
                page.wait_for_function("window.ready")
                page.evaluate("run()")
                found[name].append(tuple(page.evaluate("run()")))
                page.close()
    print("\nA chart of 4 lines of 8,640 points")
    ours = [median(one[at] for one in found["ours"]) for at in (0, 1)]
    theirs = (
        [median(one[at] for one in found["theirs"]) for at in (0, 1)] if len(pages) > 1 else None
    )
    for at, what in enumerate(("drawn", "one live update")):
        line = f"  {what:<40}  {ours[at]:8.1f} ms"
        if theirs:
            line += f"   Plotly.js {theirs[at]:8.1f} ms   {theirs[at] / ours[at]:5.1f} x"
        print(line)


def fetch_plotly(site: Path) -> bool:
    if shutil.which("npm") is None:
        print("npm is not there: the comparison with Plotly.js is left out")
        return False
    subprocess.run(["npm", "pack", "--silent", PLOTLY], cwd=site, check=True, capture_output=True)
    (packed,) = site.glob("plotly*.tgz")
    with tarfile.open(packed) as archive:
        member = next(one for one in archive.getmembers() if one.name.endswith(".min.js"))
        source = archive.extractfile(member)
        assert source is not None
        (site / "plotly.js").write_bytes(source.read())
    return True


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def files(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


# --- What open pages cost the service ------------------------------------------------------------


def open_pages(url: str, pid: int, most: int, seconds: float) -> None:
    """
    CPU of the server's process with no page, with one, and with many; the difference is the pages'.

    A page is its stream of events, and its tables as often as the page asks for them.
    """
    print(f"\nCPU of the service, % of a core, over {seconds:g} s each")
    used = {}
    for count in (0, 1, most, 0):
        used.setdefault(count, []).append(asyncio.run(watched(url, pid, count, seconds)))
    idle = median(used[0])
    print(f"  no page                                   {idle:8.2f} %")
    for count, limit in ((1, 0.3), (most, 5.0)):
        (cpu,) = used[count]
        more = f"{cpu - idle:8.2f} %  (limit {limit:g})"
        print(f"  {count:2} open page(s), on top of that            {more}")


async def watched(url: str, pid: int, count: int, seconds: float) -> float:
    limits = httpx.Limits(max_connections=2 * count + 1)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
        pages = [asyncio.create_task(a_page(http)) for _ in range(count)]
        await asyncio.sleep(6)  # opening is not what is measured
        before, began = cpu_s(pid), time.monotonic()
        await asyncio.sleep(seconds)
        share = (cpu_s(pid) - before) / (time.monotonic() - began)
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
    return share * 100


async def a_page(http: httpx.AsyncClient) -> None:
    view = "range=15m"
    await http.get(f"/performance/timeline?{view}")
    await http.get(f"/performance/tables?{view}")
    asked_s = time.monotonic()
    async with http.stream("GET", f"/performance/events?{view}") as events:
        async for line in events.aiter_lines():
            if line == "event: state" and time.monotonic() - asked_s > 30:
                asked_s = time.monotonic()
                await http.get(f"/performance/tables?{view}")


def cpu_s(pid: int) -> float:
    """User and system time of the process, from its /proc/PID/stat (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
