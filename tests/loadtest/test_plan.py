"""Plans: which are refused and why, and which bytes they become."""

from __future__ import annotations

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.engine.prepared import prepare
from keiko_perf.loadtest.headers import bearer
from keiko_perf.loadtest.pacer import ConstantRate, Stage, Stages, Users
from keiko_perf.loadtest.plan import Limits, Plan, Step
from keiko_perf.loadtest.request import LARGE_BODY_BYTES, curl

URL = "http://127.0.0.1:8000"


def plan(**changes) -> Plan:
    return Plan(**{"base_url": URL, "duration_s": 1, **changes})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: plan(base_url="ftp://host"), "no http or https URL"),
        (lambda: plan(base_url="http://"), "no http or https URL"),
        (lambda: plan(base_url="http://host:99999"), "cannot be read"),
        (lambda: plan(base_url="http://host:0"), "port 0"),
        (lambda: plan(base_url="http://[::1"), "cannot be read"),
        (lambda: plan(base_url="http://host/?a=1"), "query"),
        (lambda: plan(base_url="http://host/a b"), "characters that no request"),
        (lambda: plan(duration_s=0), "duration of 0"),
        (lambda: plan(duration_s=float("inf")), "duration of inf"),
        (lambda: plan(duration_s=3601), "its limit is 3600 s"),
        (lambda: plan(duration_s=3600, warmup_s=1), "its limit is 3600 s"),
        (lambda: plan(warmup_s=-1), "warm-up of -1"),
        (lambda: plan(timeout_s=0), "timeout of 0"),
        (lambda: plan(load=ConstantRate(20_001)), "limit is 20000"),
        (lambda: plan(load=Users(10_001)), "limit is 10000"),
        (lambda: plan(load=Users(5), max_in_flight=4), "only 4 requests in flight"),
        (lambda: plan(load=Stages((Stage(5, 1),)), duration_s=4), "stages last 5 s"),
        (lambda: plan(load=Stages((Stage(1, 1),)), warmup_s=1), "would send nothing"),
        (lambda: plan(connections=0), "connections"),
        (lambda: plan(max_in_flight=0), "max_in_flight"),
        (lambda: plan(steps=()), "0 steps"),
        (lambda: plan(steps=(Step(), Step())), "two steps are called 'GET /'"),
        (lambda: plan(headers={"x": "a\r\nb: c"}), "value of the header x"),
        (lambda: plan(headers={"x": "€"}), "value of the header x"),
        (lambda: plan(headers={"x y": "a"}), "no header's name"),
        (lambda: plan(headers={"Content-Length": "5"}), "engine's own"),
        (lambda: Step(method="get"), "no HTTP method"),
        (lambda: Step(path="a"), "no path"),
        (lambda: Step(path="/a b"), "no path"),
        (lambda: Step(path="/a\r\nx: y"), "no path"),
        (lambda: Step(path="/ä"), "no path"),
        (lambda: Step(path="/a#b"), "no path"),
        (lambda: Step(path="/{id}"), "no rows"),
        (lambda: Step(path="/{id}", rows=({"id": 1}, {"di": 2})), "no 'id'"),
        (lambda: Step(weight=0), "weight 0"),
        (lambda: Step.with_json({1j}, "/"), "no form in JSON"),
        (lambda: Step.with_json(float("nan"), "/"), "no form in JSON"),
    ],
)
def test_a_senseless_plan_is_refused(make, reason):
    with pytest.raises(UsageError, match=reason):
        make()


def test_limits_can_be_raised_by_whoever_means_it():
    limits = Limits(duration_s=8 * 3600, per_s=50_000)
    assert plan(duration_s=8 * 3600, load=ConstantRate(30_000), limits=limits).total_s == 28_800


def test_a_password_in_the_url_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match="holds a user or a password") as refused:
        plan(base_url="http://me:hunter2@host")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "token", ["hunter2\n", " hunter2", "hunter2\r\nx: y", "hunter2ä", "Bearer hunter2"]
)
def test_a_token_that_no_header_carries_is_refused_and_not_repeated(token):
    with pytest.raises(UsageError, match="bearer token") as refused:
        bearer(token)
    assert "hunter2" not in str(refused.value)


def test_no_repr_shows_a_header_or_a_body():
    step = Step.with_json({"password": "hunter2"}, "/login", headers={"x-key": "hunter3"})
    shown = repr(plan(steps=(step,), headers=bearer("hunter4")))
    shown += repr(prepare(plan(steps=(step,), headers=bearer("hunter4"))))
    assert "hunter" not in shown
    assert "/login" in shown


def test_stages_say_how_long_they_last():
    assert plan(load=Stages((Stage(5, 1), Stage(2.5, 0))), duration_s=0).duration_s == 7.5


@pytest.mark.parametrize(
    ("url", "authority", "shown"),
    [
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://Example.internal", "example.internal", "https://example.internal"),
        ("https://host:443/api/", "host", "https://host/api"),
        ("http://[::1]:8000", "[::1]:8000", "http://[::1]:8000"),
        ("http://[::1]", "[::1]", "http://[::1]"),
        ("http://bücher.internal", "xn--bcher-kva.internal", "http://xn--bcher-kva.internal"),
    ],
)
def test_a_url_in_its_parts(url, authority, shown):
    target = plan(base_url=url).target
    assert (target.authority, target.url) == (authority, shown)


def test_a_request_is_these_bytes():
    step = Step.with_json({"a": 1}, "/x?y=1", headers={"X-Two": "2"})
    ((request,),) = prepare(plan(base_url=f"{URL}/api", steps=(step,), headers={"X-One": "1"}))
    assert request.wire == (
        b"POST /api/x?y=1 HTTP/1.1\r\n"
        b"host: 127.0.0.1:8000\r\naccept: */*\r\nuser-agent: keiko-perf\r\n"
        b"x-one: 1\r\ncontent-type: application/json\r\nx-two: 2\r\ncontent-length: 8\r\n\r\n"
        b'{"a": 1}'
    )


def test_a_header_that_is_given_replaces_ours():
    ((request,),) = prepare(plan(headers={"Host": "virtual", "User-Agent": "me"}))
    assert b"host: virtual\r\n" in request.wire
    assert b"user-agent: me\r\n" in request.wire
    assert b"127.0.0.1" not in request.wire


def test_a_large_body_is_kept_out_of_the_first_write():
    body = b"x" * (LARGE_BODY_BYTES + 1)
    ((request,),) = prepare(plan(steps=(Step(method="PUT", body=body),)))
    assert request.wire.endswith(b"content-length: 65537\r\n\r\n")
    assert request.rest is body


def test_rows_fill_the_template_and_the_name_stays_one():
    step = Step(
        path="/agents/{id}/tasks?of={id}&q={q}", rows=({"id": 1, "q": "a b"}, {"id": "ä/", "q": 0})
    )
    assert step.name == "GET /agents/{id}/tasks?of={id}&q={q}"
    assert list(step.paths()) == [
        "/agents/1/tasks?of=1&q=a%20b",
        "/agents/%C3%A4%2F/tasks?of=%C3%A4%2F&q=0",
    ]


def test_a_curl_line_masks_what_is_secret():
    step = Step.with_json({"user": "me", "password": "hunter2"}, "/x?api_key=hunter2&page=3")
    headers = {"Authorization": "Bearer hunter2", "Cookie": "hunter2", "X-Trace": "it's"}
    ((request,),) = prepare(plan(steps=(step,), headers=headers))
    line = curl(request, URL)
    assert "hunter2" not in line
    assert line == (
        "curl -i -X POST -H 'authorization: ***' -H 'cookie: ***' "
        """-H 'x-trace: it'"'"'s' -H 'content-type: application/json' """
        """--data-binary '{"user": "me", "password": "***"}' """
        "'http://127.0.0.1:8000/x?api_key=***&page=3'"
    )
