"""Who may look: this machine, whoever has the token, and nobody who guesses."""

from __future__ import annotations

import pytest
from fastapi import Depends, FastAPI, HTTPException
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.dashboard.asking import TOKEN, asked, service

from keiko_perf.monitoring import performance_router
from keiko_perf.monitoring.dashboard.access import COOKIE, SESSION_S, Access, access, session


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


@pytest.mark.parametrize("body", [b"", b"token=", b"x" * 10_000, b"token=\xff", b"a=b"])
async def test_a_login_with_nonsense_is_refused(body):
    app = service(token=TOKEN)
    answer = await asked(app, "/performance/login", method="POST", content=body)
    assert answer.status_code == 401


async def test_the_applications_own_dependency_guards_the_router():
    async def nobody():
        raise HTTPException(418)

    app = FastAPI()
    app.include_router(performance_router, prefix="/internal", dependencies=[Depends(nobody)])
    assert (await asked(app, "/internal/performance/metrics")).status_code == 418
