"""The dashboard: who may see it, what it says, and how its figures come about."""

from __future__ import annotations

import asyncio
import gzip
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.model import (
    Gauge,
    Histogram,
    Kind,
    Outcome,
    Series,
    Snapshot,
    Target,
    Verdict,
    say,
)
from keiko_perf.model.kpi import LATENCY_P95
from keiko_perf.monitoring import (
    PerformanceKPIs,
    PerformanceMonitor,
    performance_router,
)
from keiko_perf.monitoring.dashboard.access import COOKIE, SESSION_S, Access, access, session
from keiko_perf.monitoring.dashboard.cards import Level, cards, level
from keiko_perf.monitoring.dashboard.guesses import Guesses
from keiko_perf.monitoring.dashboard.history import history, hours_of
from keiko_perf.monitoring.kpis import checks
from keiko_perf.monitoring.storage.points import MAX_POINTS
from keiko_perf.monitoring.storage.steady import SteadyStore
from keiko_perf.monitoring.storage.store import MemoryStore
from keiko_perf.monitoring.wording import headline
from keiko_perf.render import phrase

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
TOKEN = "correct horse"


# --- Who may look -------------------------------------------------------------------------------


def ask(token=None, *, client="127.0.0.1", cookie=None, now_s=0.0, **headers):
    headers = {"host": "localhost:8000"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return access(token, client=client, headers=headers, cookie=cookie, now_s=now_s)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_may_look(client):
    assert ask(client=client) is Access.GRANTED


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:80", "app.localhost", "app"])
def test_without_a_token_a_host_without_a_domain_is_this_machine(host):
    assert ask(host=host) is Access.GRANTED


@pytest.mark.parametrize(
    ("client", "headers", "why"),
    [
        ("192.0.2.1", {}, "another machine"),
        ("2001:db8::1", {}, "another machine"),
        ("::ffff:192.0.2.1", {}, "another machine, on a dual-stack socket"),
        (None, {}, "a local socket has a proxy in front"),
        ("localhost", {}, "a name is no address"),
        ("192.0.2.1", {"x_forwarded_for": "127.0.0.1"}, "who forwards is not believed"),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.1"}, "a proxy on this machine"),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, "a proxy on this machine"),
        ("127.0.0.1", {"via": "1.1 edge"}, "a proxy on this machine"),
        ("127.0.0.1", {"x_forwarded_proto": "https"}, "a proxy on this machine"),
        ("127.0.0.1", {"cf_connecting_ip": "192.0.2.1"}, "a tunnel to this machine"),
        ("127.0.0.1", {"host": "[evil.example]"}, "brackets make no address"),
        ("127.0.0.1", {"host": "evil.example"}, "a name that was pointed at this machine"),
        ("127.0.0.1", {"host": "127.0.0.1.evil.example:80"}, "it only looks like an address"),
    ],
)
def test_without_a_token_others_may_not(client, headers, why):
    assert ask(client=client, **headers) is Access.LOCAL_ONLY, why


def test_a_token_may_go_beyond_ascii():
    token = "Schlüssel №5"
    sent = f"Bearer {token}".encode().decode("latin-1")  # as a server hands a header on
    assert ask(token, authorization=sent) is Access.GRANTED
    assert ask(token, authorization="Bearer \xff\xfe") is Access.LOGIN_NEEDED


def test_with_a_token_it_is_the_token_that_counts():
    assert ask(TOKEN) is Access.LOGIN_NEEDED
    assert ask(TOKEN, authorization=f"Bearer {TOKEN}", client="192.0.2.1") is Access.GRANTED
    assert ask(TOKEN, authorization=f"bearer {TOKEN}") is Access.GRANTED
    assert ask(TOKEN, authorization="Bearer wrong") is Access.LOGIN_NEEDED
    assert ask(TOKEN, authorization=TOKEN) is Access.LOGIN_NEEDED
    assert ask(TOKEN, authorization="Bearer \u2603") is Access.LOGIN_NEEDED


def test_a_session_lasts_its_time_and_no_longer():
    cookie = session(TOKEN, 1000.0)
    assert TOKEN not in cookie
    assert ask(TOKEN, cookie=cookie, now_s=1000.0 + SESSION_S - 1) is Access.GRANTED
    assert ask(TOKEN, cookie=cookie, now_s=1000.0 + SESSION_S) is Access.LOGIN_NEEDED
    assert ask("another token", cookie=cookie, now_s=1000.0) is Access.LOGIN_NEEDED


@given(st.text() | st.from_regex(r"[0-9]{1,12}\.[0-9a-f]{0,64}"))
def test_no_made_up_session_is_taken(cookie):
    assert ask(TOKEN, cookie=cookie) is Access.LOGIN_NEEDED


# --- History ------------------------------------------------------------------------------------


def window(at_s, *, window_s=10.0, durations=(), cpu=None, worker="w1"):
    series = Series(
        kind=Kind.ROUTE, name="GET /", window_s=window_s, succeeded=Histogram(durations)
    )
    return Snapshot(
        started_at=T0 + timedelta(seconds=at_s),
        window_s=window_s,
        series=(series,) if durations else (),
        gauges={} if cpu is None else {"cpu_ratio": Gauge.of(cpu)},
        worker=worker,
    )


def history_of(windows, *, to_s, hours=1.0, window_s=10.0, current=None):
    store = SteadyStore(MemoryStore(retention_s=400 * 86_400.0))
    for one in sorted(windows, key=lambda one: one.started_at):
        store.append(one)
    end_at = T0 + timedelta(seconds=to_s)
    found = history(
        store, end_at - timedelta(hours=hours), end_at, window_s=window_s, current=current
    )
    store.close()
    return found.points


def test_a_point_has_what_was_measured_in_its_stretch():
    made = history_of(
        [window(0, durations=[0.1] * 20, cpu=0.5), window(20, durations=[0.3] * 40)], to_s=40
    )
    assert [one.at for one in made] == [T0, T0 + timedelta(seconds=20)]
    assert [one.p95_s for one in made] == [pytest.approx(0.1, 0.01), pytest.approx(0.3, 0.01)]
    assert [one.throughput_per_s for one in made] == [2.0, 4.0]
    assert [one.cpu_ratio for one in made] == [0.5, None]


def test_a_gap_is_a_gap_and_an_idle_window_is_0_requests():
    made = history_of([window(0, durations=[0.1]), window(60, cpu=0.1)], to_s=120)
    assert [one.throughput_per_s for one in made] == [0.1, None, None, 0.0, None]
    assert [one.p95_s is None for one in made] == [False, True, True, True, True]


def test_windows_longer_than_the_shortest_points_leave_no_gaps_between_points():
    made = history_of(
        [window(60 * i, window_s=60.0, durations=[0.1] * 60) for i in range(8)],
        to_s=480,
        window_s=60.0,
    )
    assert [one.requests for one in made] == [240, 240]
    assert [one.throughput_per_s for one in made] == [1.0, 1.0]


def test_the_window_that_goes_on_is_in_the_newest_point():
    current = window(30, window_s=5.0, durations=[0.2] * 3)
    made = history_of([window(10 * i, durations=[0.1]) for i in range(3)], to_s=35, current=current)
    assert [one.requests for one in made] == [2, 4]
    assert history_of([], to_s=35, current=current)[-1].requests == 3


def test_windows_that_are_cut_a_little_late_make_no_gap():
    jitter = [0.0, 0.4, -0.4, 3.0, -3.0, 0.1]
    windows = [window(20 * i + off, durations=[0.1]) for i, off in enumerate(jitter)]
    assert [one.requests for one in history_of(windows, to_s=120)] == [1] * 6


def test_workers_are_merged_and_their_rates_added():
    both = [
        window(0, durations=[0.1] * 90, worker="a"),
        window(1, durations=[0.5] * 10, worker="b"),
    ]
    (point,) = history_of(both, to_s=11)
    assert point.requests == 100
    assert point.p95_s == pytest.approx(0.5, 0.01)
    assert point.throughput_per_s == pytest.approx(100 / 11)


@given(
    st.lists(st.floats(0, 86_400 * 3), min_size=1, max_size=50),
    st.floats(0.001, 8784),
)
def test_there_are_never_more_than_a_thousand_points_at_equal_distances(starts_s, hours):
    end_s = 86_400 * 3
    made = history_of([window(at, durations=[0.1]) for at in starts_s], to_s=end_s, hours=hours)
    assert len(made) <= MAX_POINTS
    assert sum(one.requests for one in made) <= len(starts_s)
    gaps = {round((b.at - a.at).total_seconds(), 3) for a, b in pairwise(made)}
    assert len(gaps) <= 1


def test_a_long_history_has_all_that_was_measured():
    windows = [window(3600 * i, durations=[0.1] * 3) for i in range(72)]
    assert sum(one.requests for one in history_of(windows, to_s=86_400 * 3, hours=800)) == 216


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "abc", "", "nan", "inf", "8785"])
def test_hours_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError, match=r"over 0 and at most 8784.*hours=24"):
        hours_of(text)


def test_hours_are_a_day_if_not_given_and_may_be_a_part_of_one():
    assert (hours_of(None), hours_of("0.25"), hours_of("8784")) == (24.0, 0.25, 8784.0)


# --- Cards and headline -------------------------------------------------------------------------


def verdict(name, value, *, samples=1000):
    target = checks(*PerformanceKPIs().targets())[name]
    holds = value <= target.limit if target.at_least is None else value >= target.limit
    reason = say("within the limit") if holds else say("over the limit")
    return Verdict(target, Outcome.MET if holds else Outcome.MISSED, reason, value, samples)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("api_response_time", 0.2, Level.GOOD),
        ("api_response_time", 0.201, Level.WARNING),
        ("api_response_time", 0.5, Level.WARNING),
        ("api_response_time", 0.501, Level.CRITICAL),
        ("cpu_usage", 0.7, Level.GOOD),
        ("cpu_usage", 0.89, Level.WARNING),
        ("cpu_usage", 0.91, Level.CRITICAL),
        ("memory_usage", 0.8, Level.GOOD),
        ("memory_usage", 0.94, Level.WARNING),
        ("memory_usage", 0.96, Level.CRITICAL),
        ("throughput", 1000.0, Level.GOOD),
        ("throughput", 900.0, Level.CRITICAL),
    ],
)
def test_the_guides_limits_colour_the_cards(name, value, expected):
    assert level(name, verdict(name, value)) is expected


def test_without_data_a_card_has_no_figure_and_no_colour():
    unknown = {
        name: target.judge(None) for name, target in checks(*PerformanceKPIs().targets()).items()
    }
    for card in cards(unknown):
        assert (card.value, card.level) == (None, Level.UNKNOWN)


def test_the_headline_names_the_worst_miss_and_where_it_comes_from():
    routes = Snapshot(
        started_at=T0,
        window_s=60.0,
        series=(
            Series(kind=Kind.ROUTE, name="GET /ok", window_s=60, succeeded=Histogram([0.01] * 500)),
            Series(
                kind=Kind.ROUTE, name="POST /tasks", window_s=60, succeeded=Histogram([0.4] * 500)
            ),
        ),
        gauges={"cpu_ratio": Gauge.of(0.95)},
    )
    verdicts = [target.judge(routes) for target in PerformanceKPIs().targets()]
    assert phrase(headline(verdicts, routes)) == (
        "2 of 9 targets missed: response time p95 is 400 ms, limit 200 ms, mostly from POST /tasks"
    )


def test_the_headline_of_nothing_is_no_good_news():
    verdicts = [target.judge(None) for target in PerformanceKPIs().targets()]
    assert phrase(headline(verdicts)) == "No data yet: none of 9 targets can be judged"
    met = [verdict("cpu_usage", 0.1), *verdicts[:1]]
    assert phrase(headline(met)) == "1 of 2 targets met, too little data on the other 1"
    assert phrase(headline(met[:1])) == "All 1 targets met"


# --- Over HTTP ----------------------------------------------------------------------------------


def service(**options):
    """An application that is watched."""
    app = FastAPI()
    monitor = PerformanceMonitor(window_s=0.5, metrics_window_s=5, notify=(), **options)
    monitor.install(app)

    @app.get("/agents")
    async def agents():
        return []

    return app


async def asked(app, path, *, client=("127.0.0.1", 1), method="GET", **options):
    transport = httpx.ASGITransport(app, client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return await http.request(method, path, **options)


async def test_the_routers_answers_are_the_guides():
    app = service()
    for _ in range(80):
        await asked(app, "/agents")
    metrics = (await asked(app, "/performance/metrics")).json()
    assert {"api_p95", "api_p99", "rps", "cpu_percent", "memory_percent"} <= set(metrics)
    assert metrics["samples"] == 80
    assert metrics["checks"]["api_response_time"]["outcome"] == "met"
    assert metrics["routes"][0]["name"] == "GET /agents"
    history = (await asked(app, "/performance/history?hours=1")).json()
    names = ("timestamps", "response_times", "throughput", "cpu_usage", "memory_usage")
    assert len({len(history[name]) for name in names}) == 1
    assert (await asked(app, "/performance/alerts")).json() == {"alerts": []}


@pytest.mark.parametrize("hours", ["0", "-1", "1e9", "text", "%3Cscript%3E"])
async def test_bad_hours_get_a_422_that_says_what_is_good(hours):
    app = service()
    answer = await asked(app, f"/performance/history?hours={hours}")
    assert answer.status_code == 422
    assert "over 0 and at most 8784" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["dashboard", "metrics", "history", "alerts", "timeline", "tables", "events"]
)
async def test_elsewhere_without_a_token_is_forbidden_and_the_cure_is_named(path):
    app = service()
    answer = await asked(app, f"/performance/{path}", client=("192.0.2.1", 1))
    assert answer.status_code == 403
    assert "PerformanceMonitor(token=" in answer.text
    forwarded = {"X-Forwarded-For": "127.0.0.1"}
    answer = await asked(app, f"/performance/{path}", client=("192.0.2.1", 1), headers=forwarded)
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["metrics", "history", "alerts", "timeline", "tables"])
async def test_with_a_token_the_bearer_is_let_in_and_no_other(path):
    app = service(token=TOKEN)
    there = f"/performance/{path}"
    answer = await asked(app, there)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    wrong = await asked(app, there, headers={"Authorization": "Bearer wrong"})
    assert wrong.status_code == 401
    right = await asked(app, there, headers={"Authorization": f"Bearer {TOKEN}"})
    assert right.status_code == 200


async def test_the_login_form_exchanges_the_token_for_a_cookie():
    app = service(token=TOKEN)
    page = await asked(app, "/performance/dashboard")
    assert page.status_code == 401
    assert 'action="login"' in page.text
    wrong = await asked(app, "/performance/login", method="POST", data={"token": "wrong"})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    right = await asked(app, "/performance/login", method="POST", data={"token": TOKEN})
    assert (right.status_code, right.headers["location"]) == (303, "dashboard")
    cookie = right.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/performance"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    value = cookie.partition(";")[0]
    inside = await asked(app, "/performance/metrics", headers={"Cookie": value})
    assert inside.status_code == 200
    other = f"{COOKIE}=9999999999.{'0' * 64}"
    assert (await asked(app, "/performance/metrics", headers={"Cookie": other})).status_code == 401


class Clock:
    def __init__(self):
        self.s = 1e6

    def __call__(self):
        return self.s


def test_ten_wrong_tokens_and_then_one_every_six_seconds():
    clock = Clock()
    guesses = Guesses(clock=clock)
    for _ in range(10):
        assert guesses.wait_s("192.0.2.1") == 0
        guesses.wrong("192.0.2.1")
    assert guesses.wait_s("192.0.2.1") == 6
    clock.s += 6
    assert guesses.wait_s("192.0.2.1") == 0
    guesses.wrong("192.0.2.1")
    assert guesses.wait_s("192.0.2.1") == 6
    clock.s += 3600
    assert sum(heard(guesses, "192.0.2.1") for _ in range(20)) == 10


def heard(guesses, address):
    if guesses.wait_s(address):
        return False
    guesses.wrong(address)
    return True


@pytest.mark.parametrize(
    ("one", "other", "is_same", "why"),
    [
        ("192.0.2.1", "192.0.2.2", False, "two hosts"),
        ("192.0.2.1", "::ffff:192.0.2.1", True, "a dual-stack socket"),
        ("2001:db8::1", "2001:db8::ffff", True, "a host may use all of its /64"),
        ("2001:db8::1", "2001:db8:0:1::1", False, "two networks"),
        ("fe80::1%eth0", "fe80::2%eth1", True, "a zone is no part of the address"),
        (None, "no address", True, "who says nothing shares with who says nonsense"),
    ],
)
def test_an_address_is_who_can_use_it(one, other, is_same, why):
    guesses = Guesses(clock=Clock())
    while heard(guesses, one):
        pass
    assert bool(guesses.wait_s(other)) is is_same, why


def test_a_thousand_addresses_cost_no_more_than_a_thousand_and_get_no_new_guesses():
    clock = Clock()
    guesses = Guesses(clock=clock)
    for number in range(1_000):
        guesses.wrong(f"10.0.{number // 256}.{number % 256}")
    others = (f"10.1.{number // 256}.{number % 256}" for number in range(5_000))
    assert sum(heard(guesses, address) for address in others) == 10
    assert len(guesses._whole_at_s) == 1_001
    clock.s += 100
    assert heard(guesses, "10.9.9.9")
    assert len(guesses._whole_at_s) <= 3


@pytest.mark.parametrize("way", ["form", "bearer"])
async def test_tokens_cannot_be_tried_without_end(way):
    app = service(token=TOKEN)

    async def tried(token, **options):
        if way == "form":
            return await asked(
                app, "/performance/login", method="POST", data={"token": token}, **options
            )
        headers = {"Authorization": f"Bearer {token}"}
        return await asked(app, "/performance/metrics", headers=headers, **options)

    logged_in = await asked(app, "/performance/login", method="POST", data={"token": TOKEN})
    statuses = [(await tried(f"guess {number}")).status_code for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    answer = await tried(TOKEN)
    assert answer.status_code == 429, "the right one must not be told from a wrong one"
    assert 1 <= int(answer.headers["retry-after"]) <= 6
    assert (await tried(TOKEN, client=("192.0.2.7", 1))).status_code in (200, 303)
    cookie = {"Cookie": logged_in.headers["set-cookie"].partition(";")[0]}
    inside = await asked(app, "/performance/metrics", headers=cookie)
    assert inside.status_code == 200, "who is logged in is not concerned"


async def test_many_logins_at_once_are_no_way_around():
    app = service(token=TOKEN)

    async def slowly(body):
        yield b"token="
        await asyncio.sleep(0.05)
        yield body

    answers = await asyncio.gather(
        *(
            asked(app, "/performance/login", method="POST", content=slowly(b"%d" % number))
            for number in range(30)
        )
    )
    assert sorted(one.status_code for one in answers) == [401] * 10 + [429] * 20


async def test_no_other_site_logs_anybody_in():
    answer = await asked(
        service(token=TOKEN),
        "/performance/login",
        method="POST",
        data={"token": TOKEN},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_an_endless_limit_is_no_number_of_jsons():
    app = service(targets=[Target(kpi=LATENCY_P95, at_most=float("inf"), subject="GET /agents")])
    await asked(app, "/agents")
    answer = await asked(app, "/performance/metrics")
    assert answer.status_code == 200
    assert answer.json()["checks"]["api_response_time[GET /agents]"]["limit"] is None


@pytest.mark.parametrize("body", [b"", b"token=", b"x" * 10_000, b"token=\xff", b"a=b"])
async def test_a_login_with_nonsense_is_refused(body):
    app = service(token=TOKEN)
    answer = await asked(app, "/performance/login", method="POST", content=body)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["dashboard", "metrics", "history?hours=0", "static/strip.js", "tables"]
)
async def test_every_answer_has_the_strict_headers(path):
    app = service()
    headers = (await asked(app, f"/performance/{path}")).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("name", ["nothing.js", "..%2fpages.py", "login.html", "%2e%2e%2fx"])
async def test_no_other_file_is_served(name):
    app = service()
    assert (await asked(app, f"/performance/static/{name}")).status_code == 404


@pytest.mark.parametrize("path", ["dashboard", "metrics", "history"])
async def test_nothing_is_changed_by_other_methods(path):
    app = service()
    assert (await asked(app, f"/performance/{path}", method="POST")).status_code == 405


async def test_the_router_works_alone_and_says_that_requests_are_not_recorded():
    app = FastAPI()
    app.include_router(performance_router)
    assert (await asked(app, "/performance/dashboard")).status_code == 200
    metrics = (await asked(app, "/performance/metrics")).json()
    assert metrics["is_recording"] is False
    assert metrics["rps"] is None
    assert (await asked(app, "/performance/history")).status_code == 200


async def test_the_router_keeps_one_monitor_for_an_app_and_none_for_two():
    one, two = FastAPI(), FastAPI()
    for app in (one, two):
        app.include_router(performance_router)
        await asked(app, "/performance/metrics")
    first = one.state.keiko_perf_monitor
    await asked(one, "/performance/metrics")
    assert one.state.keiko_perf_monitor is first
    assert two.state.keiko_perf_monitor is not first


async def test_the_applications_own_dependency_guards_the_router():
    async def nobody():
        raise HTTPException(418)

    app = FastAPI()
    app.include_router(performance_router, prefix="/internal", dependencies=[Depends(nobody)])
    assert (await asked(app, "/internal/performance/metrics")).status_code == 418


async def test_the_pages_have_no_inline_script_style_or_foreign_address():
    folder = Path(__file__).parents[3] / "src/keiko_perf/monitoring/dashboard/page"
    pages = list(folder.glob("*.html"))
    names = {"dashboard.html", "door.html", "login.html", "overview.html"}
    assert {page.name for page in pages} == names
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(
            r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|//", text.split(">", 1)[1]
        )
    for file in folder.iterdir():
        if file.name.startswith("uPlot"):
            continue  # not ours; its author's address stands in its banner
        text = file.read_text(encoding="utf-8")
        found = set(re.findall(r"https?://[^\s\"']+", text)) - {"http://www.w3.org/2000/svg"}
        assert not found, file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_each_word_of_the_page_is_there_in_both_languages():
    folder = Path(__file__).parents[3] / "src/keiko_perf/monitoring/dashboard/page"
    text = (folder / "words.js").read_text(encoding="utf-8")
    english, german = text.split("const ENGLISH")[1].split("const GERMAN")
    keys = [set(re.findall(r'(\w+): "', part.split("\n};")[0])) for part in (english, german)]
    assert keys[0] == keys[1]
    used = {
        key
        for file in folder.glob("*.js")
        for key in re.findall(r'\bt\("(\w+)"', file.read_text(encoding="utf-8"))
    }
    assert used <= keys[0]


def test_the_whole_page_is_small():
    folder = Path(__file__).parents[3] / "src/keiko_perf/monitoring/dashboard/page"
    packed = sum(len(gzip.compress(file.read_bytes(), 9)) for file in folder.iterdir())
    assert packed < 80_000


@pytest.mark.parametrize("path", ["timeline", "tables", "events"])
async def test_a_view_that_makes_no_sense_gets_a_422_that_says_what_is_good(path):
    answer = await asked(service(), f"/performance/{path}?range=1y")
    assert answer.status_code == 422
    assert "15m, 1h, 24h" in answer.json()["detail"]


async def test_figures_are_packed_for_who_takes_it_and_assets_sent_once():
    app = service()
    plain = {"Accept-Encoding": "identity"}
    packed = await asked(app, "/performance/timeline?range=1h")
    assert packed.headers["content-encoding"] == "gzip"
    unpacked = await asked(app, "/performance/timeline?range=1h", headers=plain)
    assert "content-encoding" not in unpacked.headers
    assert packed.json()["columns"].keys() == unpacked.json()["columns"].keys()
    first = await asked(app, "/performance/static/dashboard.js")
    tag = {"If-None-Match": first.headers["etag"]}
    assert (await asked(app, "/performance/static/dashboard.js", headers=tag)).status_code == 304
    never = {"Accept-Encoding": "gzip;q=0"}
    assert (
        "content-encoding"
        not in (await asked(app, "/performance/static/dashboard.js", headers=never)).headers
    )
