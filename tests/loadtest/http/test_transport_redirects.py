"""Redirects: where they lead, how many are followed, and what is asked next."""

from __future__ import annotations

import pytest
from tests.loadtest.conftest import raw_server
from tests.loadtest.http.asking import ask, get

from keiko_perf.loadtest import Failure, Wishes

pytestmark = pytest.mark.usefixtures("nothing_left")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def site(pages: dict[bytes, bytes], asked_for: list[bytes], *, closes: bool = False):
    """Answers by path; what was asked is written down as the line and the body."""

    async def behave(reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line = head.split(b" HTTP", 1)[0]
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length or b"0"))
            asked_for.append(line + (b" " + body if body else b""))
            writer.write(pages[line.split(b" ")[1]])
            if closes:
                return

    return behave


def to(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("closes", [False, True])
async def test_redirects_are_followed_and_counted_where_the_plan_says(closes):
    seen: list[bytes] = []
    pages = {b"/": to("/a?x=1"), b"/a?x=1": to("b"), b"/b": OK}
    if closes:
        pages = {
            path: page.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            for path, page in pages.items()
        }
    async with raw_server(site(pages, seen, closes=closes)) as url:
        wish = get(wishes=Wishes(collects=True))
        asked = await ask(url, wish, get(), get("/b"), follow_redirects=2)
        redirects = [one.redirects for one in asked.channels]
        left_alone = await ask(url)
    assert asked.ends == [200] * 3
    assert seen[:3] == [b"GET /", b"GET /a?x=1", b"GET /b"]
    assert redirects == ([2, 2, 0] if closes else [0])
    assert left_alone.end == 302


async def test_a_loop_of_redirects_ends():
    seen: list[bytes] = []
    async with raw_server(site({b"/": to("/")}, seen)) as url:
        asked = await ask(url, follow_redirects=5)
    assert asked.end == (Failure.PROTOCOL, "more than 5 redirects")
    assert len(seen) == 6


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:1/", "http://example.org/", "https://127.0.0.1/", "//x/", "http://["],
)
async def test_no_redirect_leads_away_from_the_origin(location):
    async with raw_server(site({b"/": to(location)}, [])) as url:
        assert (await ask(url, follow_redirects=5)).end == 302


@pytest.mark.parametrize(
    ("method", "status", "line"),
    [
        ("POST", 301, b"GET /x"),
        ("POST", 302, b"GET /x"),
        ("POST", 303, b"GET /x"),
        ("PUT", 303, b"GET /x"),
        ("PUT", 301, b"PUT /x body"),
        ("POST", 307, b"POST /x body"),
        ("POST", 308, b"POST /x body"),
        ("POST", 300, None),
        ("POST", 304, None),
    ],
)
async def test_the_method_after_a_redirect_is_the_one_of_rfc_9110(method, status, line):
    seen: list[bytes] = []
    async with raw_server(site({b"/": to("/x", status), b"/x": OK}, seen)) as url:
        asked = await ask(url, get(method=method, body=b"body"), follow_redirects=1)
    assert seen[1:] == ([line] if line else [])
    assert asked.end == (200 if line else status)


async def test_a_redirect_to_a_path_with_blanks_is_encoded():
    seen: list[bytes] = []
    pages = {b"/": to("/caf\xe9 x"), b"/caf%E9%20x": OK, b"/caf%C3%A9%20x": OK}
    pages[b"/"] = pages[b"/"].decode().encode("latin-1")
    async with raw_server(site(pages, seen)) as url:
        asked = await ask(url, follow_redirects=1)
    assert asked.end == 200


async def test_a_timeout_in_the_middle_of_redirects_ends_the_request():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(to("/x"))
        await reader.read()

    async with raw_server(behave) as url:
        asked = await ask(url, follow_redirects=1, timeout_s=0.1)
    assert asked.end == (Failure.TIMEOUT_HEADERS, "no answer in time")
