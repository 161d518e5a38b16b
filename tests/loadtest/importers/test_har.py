"""A HAR file becomes steps in its order, without what belongs to whoever recorded it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.importers import from_har


def entry(url="http://app:8000/", method="GET", headers=(), **more):
    pairs = [{"name": name, "value": value} for name, value in headers]
    return {"request": {"method": method, "url": url, "headers": pairs, **more}}


def har(*entries):
    return json.dumps({"log": {"version": "1.2", "entries": list(entries)}})


def test_requests_keep_their_order_headers_and_bodies():
    imported = from_har(
        har(
            entry("http://app:8000/login", "POST", postData={"mimeType": "a/b", "text": "x=ü"}),
            entry("http://app:8000/items?page=2#top", headers=[("Accept", "a"), ("X-Y", "z")]),
            entry("http://app:8000/items?page=3"),
        )
    )
    login, first, second = imported.steps
    assert imported.origin == "http://app:8000"
    assert (login.method, login.path, login.body) == ("POST", "/login", "x=ü".encode())
    assert login.headers == {"content-type": "a/b"}
    assert (first.path, first.headers) == ("/items?page=2", {"accept": "a", "x-y": "z"})
    assert [first.name, second.name] == ["GET /items", "GET /items (2)"]


SECRETS = [("Cookie", "a=b"), ("cookie", "c=d"), ("Authorization", "Bearer secret")]


def test_cookies_and_authorization_stay_behind_unless_asked_for():
    recorded = har(entry(headers=SECRETS))
    assert from_har(recorded).steps[0].headers == {}
    assert from_har(recorded, with_secrets=True).steps[0].headers == {
        "cookie": "a=b; c=d",
        "authorization": "Bearer secret",
    }


def test_headers_of_the_connection_and_of_http2_are_left_out():
    headers = [(":authority", "app"), (":path", "/"), ("Host", "app"), ("Connection", "close")]
    headers += [("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("TE", "trailers")]
    (step,) = from_har(har(entry(headers=[*headers, ("accept", "*/*")]))).steps
    assert step.headers == {"accept": "*/*"}


def test_only_the_targets_origin_becomes_steps_and_the_rest_is_named():
    imported = from_har(
        har(
            entry("data:text/plain,x"),
            entry("https://app/"),
            entry("https://app:443/a"),
            entry("http://app/b"),
            entry("https://cdn.example.com/c"),
            entry("https://cdn.example.com/d"),
        )
    )
    assert [step.path for step in imported.steps] == ["/", "/a"]
    assert {one.what: one.why for one in imported.left_out} == {
        "data": "it is not HTTP",
        "http://app": "it is another origin",
        "https://cdn.example.com": "it is another origin",
    }
    chosen = from_har(har(entry("https://app/"), entry("http://b:1/c")), origin="http://b:1/")
    assert [step.path for step in chosen.steps] == ["/c"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": 404}, "it was answered by 404 when it was recorded"),
        ({"status": 500}, "it was answered by 500 when it was recorded"),
        ({"status": 0}, "it was not answered when it was recorded"),
        ({"status": 304}, ""),
        ({"status": 200}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_what_went_wrong_when_it_was_recorded_is_left_out_and_named(answer, why):
    tried = entry("http://app:8000/favicon.ico?v=2") | {"response": answer}
    imported = from_har(har(entry(), tried))
    assert [one.name for one in imported.steps] == ["GET /", *([] if why else ["GET /favicon.ico"])]
    assert [(one.what, one.why) for one in imported.left_out] == (
        [("GET /favicon.ico", why)] if why else []
    )


def test_bodies_come_as_text_as_parameters_or_in_base64():
    form = {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "a b", "value": "&"}],
    }
    raw = {"mimeType": "application/octet-stream", "text": "AAE=", "encoding": "base64"}
    steps = from_har(
        har(entry(method="POST", postData=form), entry(method="PUT", postData=raw))
    ).steps
    assert [step.body for step in steps] == [b"a+b=%26", b"\x00\x01"]


def test_what_a_browser_writes_raw_in_a_url_is_encoded():
    (step,) = from_har(har(entry("http://app/a b/{x}/ü?q={y}|z"))).steps
    assert list(step.paths()) == ["/a%20b/%7Bx%7D/%C3%BC?q=%7By%7D|z"]


REFUSED = [
    ("nothing", "the file is no HAR"),
    ("[]", "the file is a list, not an object"),
    ("{}", "the file is no HAR: it has no log"),
    ('{"log": {"entries": 3}}', "log.entries is a number, not a list"),
    ('{"log": {"entries": []}}', "no request to a service"),
    (har({"request": {"method": "GET"}}), r"log.entries\[0\].request.url is missing"),
    (har(entry(), entry("http://a:b/")), r"entries\[1\].request.url cannot be read as a URL"),
    (har(entry(headers=[("a\nb", "c")])), r"entries\[0\].request: .* no header's name"),
    (har(entry(method="POST", postData={"mimeType": "multipart/form-data"})), "a form of files"),
    (har(entry(method="POST", postData={"text": "?", "encoding": "base64"})), "text is no base64"),
    (har({"request": {"method": "G T", "url": "http://a/"}}), r"entries\[0\].*no HTTP method"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_har_is_refused_with_the_place(text, reason):
    with pytest.raises(UsageError, match=reason):
        from_har(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["log", "entries", "request", "url", "method", "headers", "postData", "name"]
                ),
                inner,
            )
        ),
    )
)
def test_whatever_is_in_the_file_it_is_steps_or_refused(document):
    with contextlib.suppress(UsageError):
        from_har(json.dumps({"log": {"entries": [{"request": document}]}}))
