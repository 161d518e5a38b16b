"""Ways to a target: unix sockets, addresses and names, proxies."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from tests.loadtest.conftest import raw_server, says
from tests.loadtest.http.asking import ask, get
from tests.loadtest.http.certificates import Authority, secured

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.loadtest import Failure, Plan, run
from keiko_perf.loadtest.http.http1 import HttpTransport
from keiko_perf.loadtest.http.proxy import proxy_for
from keiko_perf.loadtest.request import compose, curl
from keiko_perf.loadtest.target import Tls, read_target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
pytestmark = pytest.mark.usefixtures("nothing_left")


def noting(heads: list[bytes]):
    async def behave(reader, writer):
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)

    return behave


# Unix sockets


async def test_a_unix_socket_is_reached_by_its_url(tmp_path):
    heads: list[bytes] = []
    async with raw_server(noting(heads), path=tmp_path / "App.sock") as url:
        result = await run(Plan(base_url=f"{url}/api", duration_s=0.2))
    assert not result.errors
    assert result.response.count == 2
    assert heads[0].startswith(b"GET /api/ HTTP/1.1\r\nhost: localhost\r\n")
    assert result.target == f"{url}/api"


async def test_a_unix_socket_is_reached_beside_a_url(tmp_path):
    heads: list[bytes] = []
    path = tmp_path / "app.sock"
    async with raw_server(noting(heads), path=path):
        asked = await ask("http://service:81", unix_socket=str(path))
    assert asked.end == 200
    target = read_target("http://service:81", unix_socket=str(path))
    assert target.authority == "service:81"


async def test_tls_is_spoken_over_a_unix_socket(tmp_path):
    authority = Authority(tmp_path)
    path = tmp_path / "app.sock"
    async with raw_server(says(OK), path=path, tls=secured(authority.sign())) as url:
        asked = await ask(url, tls=Tls(ca_file=str(authority.ca)))
    assert asked.end == 200


async def test_a_unix_socket_that_is_not_there_is_refused(tmp_path):
    asked = await ask("http://x", unix_socket=str(tmp_path / "none"))
    assert asked.end == (Failure.CONNECT_REFUSED, "ENOENT")


async def test_a_full_queue_of_a_unix_socket_is_the_targets_and_not_ours(tmp_path):
    path = str(tmp_path / "full.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            for other in (first, second):
                other.setblocking(False)
                other.connect_ex(path)
            asked = await ask("http://x", unix_socket=path, timeout_s=0.2)
    # Of the event loops, one says at once that it is full, the other waits for room.
    assert asked.end[0] in (Failure.CONNECT_REFUSED, Failure.CONNECT_TIMEOUT)


def test_a_request_over_a_unix_socket_is_shown_as_curl_sends_it():
    target = read_target("http+unix://%2Frun%2Fmy%20app.sock/api")
    shown = curl(compose(target, "/x"), target.origin)
    assert shown == "curl -i --unix-socket '/run/my app.sock' http://localhost/api/x"


@pytest.mark.parametrize(
    "url", ["http+unix://app.sock", "http+unix://", "ftp+unix://%2Fx", "http+tcp://%2Fx"]
)
def test_a_url_that_is_no_unix_socket_is_refused(url):
    with pytest.raises(UsageError):
        read_target(url)


# Names and addresses


async def test_dns_is_asked_once_unless_it_is_to_be_asked_each_time():
    asked_for = []

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        asked_for.append((host, port))
        return ("127.0.0.1",)

    closing = says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    async with raw_server(closing) as url:
        for each, times in ((False, 1), (True, 4)):
            asked_for.clear()
            plan = Plan(base_url=url, duration_s=1, resolves_each=each)
            transport = HttpTransport(plan, resolve=resolve)
            asked = await ask(plan, get(), get(), get(), transport=transport)
            assert asked.ends == [200] * 3
            assert len(asked_for) == times


async def test_a_name_that_stops_leading_anywhere_is_a_dns_failure():
    count = 0

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        nonlocal count
        count += 1
        if count > 1:
            raise ServiceUnavailable("the host 'x' has no address", cure="Check it")
        return ("127.0.0.1",)

    plan = Plan(base_url="http://x:9", duration_s=1, resolves_each=True)
    asked = await ask(plan, transport=HttpTransport(plan, resolve=resolve))
    assert asked.end == (Failure.DNS, "the host 'x' has no address")


async def test_an_address_that_refuses_is_followed_by_the_next_one():
    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return ("127.0.0.2", "127.0.0.1")  # nobody listens at the first

    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, duration_s=1)
        asked = await ask(plan, transport=HttpTransport(plan, resolve=resolve))
    assert asked.end == 200


async def test_an_address_that_does_not_answer_is_left_for_the_next_one():
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.2", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with socket.socket() as first, socket.socket() as second:
            for other in (first, second):  # fill the queue of connections
                other.setblocking(False)
                other.connect_ex(("127.0.0.2", port))
            server = await asyncio.start_server(says(OK), "127.0.0.1", port)

            async def resolve(host: str, port: int) -> tuple[str, ...]:
                return ("127.0.0.2", "127.0.0.1")

            plan = Plan(base_url=f"http://127.0.0.1:{port}", duration_s=1)
            transport = HttpTransport(plan, resolve=resolve)
            asked = await ask(plan, get(), get(), transport=transport, timeout_s=0.2)
            server.close()
            await server.wait_closed()
    assert asked.ends == [(Failure.CONNECT_TIMEOUT, "no connection in time"), 200]


# Proxies


@asynccontextmanager
async def a_proxy(heads: list[bytes], *, answer: bytes = b"HTTP/1.1 200 Connected\r\n\r\n"):
    """A proxy that opens tunnels, and answers requests in clear itself."""

    async def behave(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        method, where, _ = head.split(b" ", 2)
        if method != b"CONNECT":
            writer.write(OK)
            await reader.read()
            return
        writer.write(answer)
        if b" 200 " not in answer:
            return
        host, _, port = where.decode().rpartition(":")
        far, near = await asyncio.open_connection(host.strip("[]"), int(port))
        copies = [asyncio.create_task(copy(*pair)) for pair in ((reader, near), (far, writer))]
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            near.close()
            for one in copies:
                one.cancel()
            await asyncio.gather(*copies, return_exceptions=True)

    async def copy(source, sink):
        while data := await source.read(65536):
            sink.write(data)

    async with raw_server(behave) as url:
        yield url


async def ask_through(url: str, environment: dict[str, str], *requests, **options):
    plan = Plan(base_url=url, duration_s=1, uses_proxy=True, **options)
    return await ask(plan, *requests, transport=HttpTransport(plan, environment=environment))


async def test_a_proxy_is_asked_with_the_whole_url():
    heads: list[bytes] = []
    async with a_proxy(heads) as proxy:
        environment = {"http_proxy": proxy.replace("//", "//me:s%20t@")}
        asked = await ask_through("http://10.1.2.3:8000/api", environment)
    assert asked.end == 200
    assert heads[0].startswith(b"GET http://10.1.2.3:8000/api/ HTTP/1.1\r\n")
    assert b"\r\nproxy-authorization: Basic bWU6cyB0\r\n" in heads[0]


async def test_a_tunnel_carries_tls_to_the_target(tmp_path):
    authority, heads = Authority(tmp_path), []
    async with raw_server(says(OK), tls=secured(authority.sign())) as url, a_proxy(heads) as proxy:
        tls = Tls(ca_file=str(authority.ca))
        asked = await ask_through(url, {"HTTPS_PROXY": proxy}, get(), get(), tls=tls)
    assert asked.ends == [200, 200]
    assert [head.split(b" ")[:2] for head in heads] == [[b"CONNECT", url[8:].encode()]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy answered HTTP 407"),
        (b"hello\r\n\r\n", "the proxy answered no HTTP"),
        (b"", "the proxy answered nothing"),
        (b"x" * 20_000, "the proxy answered no HTTP"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_said(answer, words):
    async with a_proxy([], answer=answer) as proxy:
        asked = await ask_through("https://10.1.2.3", {"https_proxy": proxy})
    assert asked.end == (Failure.CONNECT_REFUSED, words)


async def test_a_proxy_that_says_nothing_is_given_up():
    async def behave(reader, writer):
        await reader.read()

    async with raw_server(behave) as proxy:
        plan = Plan(base_url="https://10.1.2.3", duration_s=1, uses_proxy=True)
        transport = HttpTransport(plan, environment={"https_proxy": proxy})
        asked = await ask(plan, transport=transport, timeout_s=0.1)
    assert asked.end == (Failure.CONNECT_TIMEOUT, "no connection in time")


async def test_no_proxy_is_used_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with raw_server(says(OK)) as url:
        assert (await ask(url)).end == 200


async def test_a_public_target_stays_refused_behind_a_proxy():
    with pytest.raises(UsageError, match="public address"):
        await ask_through("http://8.8.8.8", {"http_proxy": "http://127.0.0.1:9"})


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"http_proxy": "p:3128"}, ("p", 3128)),
        ({"HTTP_PROXY": "http://p:1"}, ("p", 1)),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ({"https_proxy": "http://p:1"}, None),
        ({"all_proxy": "http://p:1"}, ("p", 1)),
        ({"http_proxy": "http://p:1", "no_proxy": "*"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": "a, example.org"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": ".example.org"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": "*.example.org"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": "api.example.org:80"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": "api.example.org:81"}, ("p", 1)),
        ({"http_proxy": "http://p:1", "no_proxy": "ample.org"}, ("p", 1)),
        ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, ("p", 1)),
    ],
)
def test_what_the_environment_names(environment, expected):
    proxy = proxy_for(read_target("http://api.example.org"), environment)
    assert (proxy and (proxy.host, proxy.port)) == expected


def test_a_network_is_reached_without_a_proxy():
    environment = {"http_proxy": "http://p:1", "NO_PROXY": "10.0.0.0/8"}
    assert proxy_for(read_target("http://10.1.2.3"), environment) is None
    assert proxy_for(read_target("http://11.1.2.3"), environment) is not None


@pytest.mark.parametrize("url", ["socks5://p:1", "https://p:1", "http://p:x", "http://"])
def test_a_proxy_that_cannot_be_spoken_to_is_refused_without_its_password(url):
    with pytest.raises(UsageError) as refused:
        proxy_for(read_target("http://x"), {"http_proxy": url.replace("//", "//me:hunter2@")})
    assert "hunter2" not in str(refused.value)
