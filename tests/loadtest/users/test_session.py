"""Cookies are kept and sent as RFC 6265 says."""

from __future__ import annotations

import pytest

from keiko_perf.loadtest.target import read_target
from keiko_perf.loadtest.users.session import LARGEST_COOKIE_BYTES, MOST_COOKIES, Session

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


class Clock:
    now = NOW

    def __call__(self):
        return self.now


def session(url="http://app.example.com", clock=None):
    return Session(read_target(url), clock or Clock())


def after(lines, url="http://app.example.com", asked="/a/b?x=1"):
    kept = session(url)
    kept.take([line.encode() for line in lines], asked)
    return kept


SENT = [
    (["a=b"], "/a", "a=b", "a path of its own is the folder that was asked"),
    (["a=b"], "/c", "", "so it is not sent elsewhere"),
    (["a=b; Path=/"], "/c?d", "a=b", "the whole site"),
    (["a=b; path=/x"], "/x/y", "a=b", "below its path"),
    (["a=b; Path=/x"], "/xy", "", "a path is no mere prefix"),
    (["a=1; Path=/", "b=2; Path=/"], "/", "a=1; b=2", "in the order in which they came"),
    (["a=1; Path=/", "a=2; Path=/x"], "/x", "a=2; a=1", "longer paths first"),
    (["a=1; Path=/", "a=2; Path=/"], "/", "a=2", "the last one counts"),
    (["a=; Path=/"], "/", "a=", "an empty value is one"),
    (['a="q"; Path=/'], "/", 'a="q"', "quotes belong to the value"),
    (["a=b; Path=/; Domain=example.com"], "/", "a=b", "a domain above"),
    (["a=b; Path=/; Domain=.app.example.com"], "/", "a=b", "with a dot in front"),
    (["a=b; Path=/; Domain=other.com"], "/", "", "somebody else's"),
    (["a=b; Path=/; Domain=pp.example.com"], "/", "", "no mere suffix"),
    (["a=b; Path=/; Domain=com"], "/", "", "of everybody"),
    (["a=b; Path=/; Secure"], "/", "", "secure without TLS"),
    (["a=b; Path=/; Max-Age=0"], "/", "", "over at once"),
    (["a=b; Path=/; Max-Age=-5"], "/", "", "over before"),
    (["a=b; Path=/; Expires=Tue, 14 Nov 2023 22:13:19 GMT"], "/", "", "over a second ago"),
    (["a=b; Path=/; Expires=Tue, 14-Nov-2023 22:13:30 GMT"], "/", "a=b", "with dashes"),
    (["a=b; Path=/; Expires=never"], "/", "a=b", "what cannot be read says nothing"),
    (["a=b; Path=/; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "/", "a=b", "Max-Age wins"),
    (["a=1; Path=/", "a=; Path=/; Max-Age=0"], "/", "", "taken back"),
    (["no equals sign", "=x", "a b=c", "a=b\x01"], "/a", "", "no cookies"),
    ([f"a={'x' * LARGEST_COOKIE_BYTES}; Path=/"], "/", "", "too large"),
]


@pytest.mark.parametrize(("lines", "path", "header", "why"), SENT)
def test_what_is_sent_after_what_was_set(lines, path, header, why):
    assert after(lines).header(path) == header, why


def test_secure_cookies_are_kept_and_sent_over_tls():
    assert after(["a=b; Path=/; Secure"], "https://app").header("/") == "a=b"


def test_an_address_has_no_domain_above_it():
    lines = ["a=b; Path=/; Domain=0.0.1"]
    assert after(lines, "http://127.0.0.1:8000").header("/") == ""
    assert after(["a=b; Path=/; Domain=127.0.0.1"], "http://127.0.0.1").header("/") == "a=b"


def test_a_cookie_ends_when_it_said():
    clock = Clock()
    kept = session(clock=clock)
    kept.take([b"a=b; Path=/; Max-Age=10", b"c=d; Path=/"], "/")
    assert kept.header("/") == "a=b; c=d"
    assert kept.get("a") == "b"
    clock.now += 10
    assert kept.header("/") == "c=d"
    assert kept.get("a") is None
    assert len(kept) == 1


def test_of_too_many_cookies_the_oldest_are_forgotten():
    kept = after([f"c{number}=x; Path=/" for number in range(MOST_COOKIES + 5)])
    assert len(kept) == MOST_COOKIES
    assert kept.get("c4") is None
    assert kept.get(f"c{MOST_COOKIES + 4}") == "x"


def test_a_scenario_may_set_and_clear_cookies():
    kept = session()
    kept.set("a", "b")
    assert kept.header("/any") == "a=b"
    with pytest.raises(ValueError, match="no header carries"):
        kept.set("a", "b\r\nc: d")
    kept.clear()
    assert kept.header("/any") == ""
