"""In a real browser the dashboard is legible on each screen, in German too, and behind a login."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from tests.monitoring.dashboard.browsing import (
    CONTRASTS,
    FOCUSED,
    TOKEN,
    Watched,
    a_day,
    serious,
    service,
)

from keiko_perf.monitoring import performance_router

# Conditions are waited for, on a busy machine for longer than one test may take elsewhere.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "query", ["?range=1y", "?from=yesterday&to=now", "?range=24h&endpoint=GET+/x"]
)
def test_an_address_that_makes_no_sense_is_told_and_not_fatal(browser, live, query):
    app, _ = service()
    with live(app) as url:
        seen = Watched(browser, url, query)
        seen.until("main", "makes no sense|not seen in this range")
        seen.close()


def test_a_german_reader_reads_german(browser, live):
    app, _ = service(store=a_day(), token=TOKEN)
    with live(app) as url:
        seen = Watched(browser, url, "?range=24h", locale="de-DE")
        assert seen.page.locator("html").get_attribute("lang") == "de"
        seen.until("main", "Dashboard dieses Dienstes ist geschützt")
        seen.page.get_by_label("Token").fill(TOKEN)
        seen.page.get_by_role("button", name="Anmelden").click()
        seen.until("#cards", "Antwortzeit p95")
        seen.until("#charts", "Im Verlauf")
        seen.until("#connection", "^live$")
        seen.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_its_screen_and_can_be_read(browser, live, scheme, width):
    app, _ = service(store=a_day())
    with live(app) as url:
        options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
        seen = Watched(browser, url, "?range=24h", **options)
        seen.until("#statements", "SELECT")
        seen.until("#chart-durations .readout", "p95")
        seen.until("#cards", "Response time p95")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        contrasts = seen.page.evaluate(CONTRASTS)
        assert contrasts
        poor = {text: ratio for text, ratio in contrasts.items() if ratio < 4.5}
        assert poor == {}
        assert serious(seen.page) == []
        assert seen.complaints == []
        seen.close()


def test_one_logs_in_and_stays_in(browser, live):
    app, _ = service(token=TOKEN)
    with live(app) as url:
        seen = Watched(browser, url)
        assert serious(seen.page) == []
        # The field has the focus by itself; who writes before that has it reported by the browser.
        seen.page.wait_for_function(FOCUSED)
        seen.page.get_by_label("Token").fill("wrong")
        seen.page.get_by_role("button", name="Log in").click()
        seen.until("main", "not the token")
        seen.page.wait_for_function(FOCUSED)
        seen.page.get_by_label("Token").fill(TOKEN)
        seen.page.get_by_role("button", name="Log in").click()
        seen.until("#connection", "live")
        assert seen.page.url == f"{url}/performance/dashboard"
        assert seen.page.evaluate("document.cookie") == ""
        # The browser itself reports the two answers 401, which are meant.
        assert [one for one in seen.complaints if "401" not in one] == []
        seen.close()


def test_without_a_middleware_the_page_says_how_to_record(browser, live):
    app = FastAPI()
    app.include_router(performance_router)
    with live(app) as url:
        seen = Watched(browser, url)
        seen.until("#notices", r"PerformanceMonitor\(\)\.install\(app\)")
        seen.close()
