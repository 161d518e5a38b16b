"""A running service as the command line asks it: what is in the way is told, with what cures it."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
from fastapi import FastAPI
from tests.loadtest.http.certificates import Authority

from keiko_perf.cli.service import read_health
from keiko_perf.errors import ServiceUnavailable
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.opening import proxy_of


@pytest.fixture
def proxied(monkeypatch):
    """An environment whose proxy is a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://somebody:secret@{where}")
    return where


def test_a_service_on_this_machine_is_asked_past_the_proxy_of_the_environment(proxied, serve):
    service = FastAPI()
    PerformanceMonitor(notify=()).install(service)
    with serve(service) as url:
        assert "checks" in read_health(url, None)


def test_a_proxy_that_is_asked_is_named_without_its_password(proxied):
    with pytest.raises(ServiceUnavailable, match=f"by the proxy {proxied}: ") as refused:
        read_health("http://service.example", None)
    assert "NO_PROXY" in refused.value.cure
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.2", "http://[::1]:80"])
def test_this_machine_has_no_proxy(proxied, url):
    assert proxy_of(url) is None


def test_a_host_that_no_proxy_is_to_be_asked_for_has_none(proxied, monkeypatch):
    assert proxy_of("http://service.example") == proxied
    monkeypatch.setenv("no_proxy", "service.example")
    assert proxy_of("http://service.example") is None


def test_a_certificate_that_nobody_trusts_says_how_to_trust_it(tmp_path):
    certificate = Authority(tmp_path).sign()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands():
            client, _ = listener.accept()
            with client, pytest.raises(OSError):  # noqa: PT011 - the client leaves, somehow
                context.wrap_socket(client, server_side=True)

        thread = threading.Thread(target=shake_hands)
        thread.start()
        with pytest.raises(ServiceUnavailable, match="is not trusted: ") as refused:
            read_health(f"https://127.0.0.1:{listener.getsockname()[1]}", None)
        thread.join()
    assert "SSL_CERT_FILE" in refused.value.cure


def test_https_where_there_is_no_tls_says_so(serve):
    with (
        serve(FastAPI()) as url,
        pytest.raises(ServiceUnavailable, match="does not speak TLS: ") as refused,
    ):
        read_health(url.replace("http:", "https:"), None)
    assert "whether it wants http" in refused.value.cure
