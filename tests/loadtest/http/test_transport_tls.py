"""TLS with real certificates: what is trusted, what is refused, and in which words."""

from __future__ import annotations

import ctypes
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from tests.loadtest.conftest import raw_server, says
from tests.loadtest.http.asking import ask, get
from tests.loadtest.http.certificates import Authority, openssl_server, secured

from keiko_perf.errors import UsageError
from keiko_perf.loadtest import Failure, Plan
from keiko_perf.loadtest.engine.malloc import keep_memory
from keiko_perf.loadtest.http.tls import context
from keiko_perf.loadtest.target import Tls

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(scope="module")
def authority(tmp_path_factory, absent) -> Authority:
    try:
        return Authority(tmp_path_factory.mktemp("tls"))
    except FileNotFoundError:
        absent("openssl. apt install openssl")


@pytest.fixture(scope="module")
def certificate(authority) -> Path:
    return authority.sign()


def trusting(authority: Authority, **more: object) -> Tls:
    return Tls(ca_file=str(authority.ca), **more)


async def test_an_own_authority_is_trusted_and_the_connection_kept(authority, certificate):
    async with raw_server(says(OK), tls=secured(certificate)) as url:
        asked = await ask(url, get(), get(), get(), tls=trusting(authority))
    assert asked.ends == [200, 200, 200]
    assert len(asked.channels) == 1


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_both_versions_are_spoken(authority, certificate, version):
    context = secured(certificate)
    context.minimum_version = context.maximum_version = {
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }[version]
    async with raw_server(says(OK), tls=context) as url:
        assert (await ask(url, tls=trusting(authority))).end == 200


async def test_the_name_that_is_asked_for_is_the_one_that_was_given(authority, certificate):
    names = []
    context = secured(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with raw_server(says(OK), tls=context) as url:
        tls = trusting(authority, server_name="localhost")
        assert (await ask(url, tls=tls)).end == 200
    assert names == ["localhost"]


async def test_a_version_that_is_too_old_is_refused(authority, certificate):
    with openssl_server(certificate, "-tls1_2") as url:
        asked = await ask(url, tls=trusting(authority, minimum="1.3"))
    assert asked.end == (Failure.TLS, "no TLS version that both sides speak")


async def test_nothing_is_trusted_that_is_not_known(certificate):
    async with raw_server(says(OK), tls=secured(certificate)) as url:
        asked = await ask(url)
        unverified = await ask(url, tls=Tls(verify=False))
    words = "its certificate comes from an authority that is not trusted"
    assert asked.end == (Failure.TLS, words)
    assert unverified.end == 200


async def test_an_own_authority_takes_the_place_of_the_machines(certificate, tmp_path):
    other = Authority(tmp_path, "other")
    async with raw_server(says(OK), tls=secured(certificate)) as url:
        asked = await ask(url, tls=trusting(other))
    assert asked.end[0] is Failure.TLS


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        ("IP:127.0.0.1", -1, "its certificate has expired"),
        ("IP:10.9.8.7", 2, "its certificate is for another address"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_refused(authority, names, days, words):
    async with raw_server(says(OK), tls=secured(authority.sign(names, days=days))) as url:
        asked = await ask(url, tls=trusting(authority))
    assert asked.end == (Failure.TLS, words)


async def test_a_certificate_for_another_name_is_refused(authority):
    context = secured(authority.sign("DNS:elsewhere.example"))
    async with raw_server(says(OK), tls=context) as url:
        asked = await ask(url, tls=trusting(authority, server_name="here.example"))
    assert asked.end == (Failure.TLS, "its certificate is for another name")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_a_client_certificate_is_shown_where_it_is_asked_for(
    authority, certificate, tmp_path, version
):
    client = str(authority.sign("DNS:client"))
    stranger = str(Authority(tmp_path, "stranger").sign("DNS:client"))
    asks = ("-Verify", "1", "-verify_return_error", "-CAfile", authority.ca, version)
    with openssl_server(certificate, *asks) as url:
        asked = await ask(url, tls=trusting(authority, cert_file=client))
        without = await ask(url, tls=trusting(authority))
        strange = await ask(url, tls=trusting(authority, cert_file=stranger))
    assert asked.end == 200
    assert without.end[0] is Failure.TLS
    if version == "-tls1_3":  # 1.2 has no alert for it
        assert without.end[1] == "the target asks for a client certificate"
    words = "the target does not trust the client certificate's authority"
    assert strange.end == (Failure.TLS, words)


async def test_https_on_a_port_of_http_is_said():
    async def behave(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with raw_server(behave) as url:
        asked = await ask(url.replace("http:", "https:"))
    assert asked.end == (Failure.TLS, "the target does not speak TLS")


async def test_http_on_a_port_of_https_is_said():
    async def behave(reader, writer):  # what OpenSSL's own server answers to clear text
        await reader.read(1)
        writer.write(bytes.fromhex("15030100020228"))
        await writer.drain()

    async with raw_server(behave) as url:
        asked = await ask(url)
    assert asked.end == (Failure.TLS, "the target speaks TLS: ask it with https")


async def test_http_on_a_port_of_a_server_with_tls_ends(certificate):
    async with raw_server(says(OK), tls=secured(certificate)) as url:
        asked = await ask(url.replace("https:", "http:"))
    assert asked.end[0] in (Failure.RESET, Failure.TLS)


async def test_a_handshake_that_is_not_answered_is_given_up():
    async def behave(reader, writer):
        await reader.read()

    async with raw_server(behave) as url:
        asked = await ask(url.replace("http:", "https:"), timeout_s=0.1)
    assert asked.end == (Failure.CONNECT_TIMEOUT, "no connection in time")


async def test_a_handshake_that_is_cut_off_is_a_tls_failure():
    async def behave(reader, writer):
        await reader.read(1)

    async with raw_server(behave) as url:
        asked = await ask(url.replace("http:", "https:"))
    assert asked.end[0] is Failure.TLS


@pytest.mark.parametrize(
    ("tls", "what"),
    [
        ({"ca_file": "/nowhere.pem"}, "authorities in /nowhere.pem"),
        ({"cert_file": "/nowhere.pem"}, "client certificate /nowhere.pem"),
        ({"cert_file": __file__}, "client certificate"),
        ({"ca_file": __file__}, "authorities in"),
    ],
)
async def test_a_file_that_cannot_be_used_is_said_before_anything_is_sent(tls, what):
    with pytest.raises(UsageError, match=what):
        await ask("https://127.0.0.1:9", tls=Tls(**tls))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"minimum": "1.1"}, "no TLS version"),
        ({"key_file": "x"}, "without its certificate"),
        ({"ca_file": "x", "verify": False}, "nothing is to be verified"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, what):
    with pytest.raises(UsageError, match=what):
        Tls(**options)


def test_a_key_with_a_password_is_refused_and_not_asked_for(authority, tmp_path):
    locked = tmp_path / "locked.pem"
    source = authority.sign("DNS:client")
    made = ["openssl", "ec", "-in", source, "-aes256", "-passout", "pass:x", "-out", locked]
    subprocess.run(made, capture_output=True, check=True)
    with pytest.raises(UsageError, match="client certificate") as refused:
        context(Tls(cert_file=str(source), key_file=str(locked)))
    assert "no password" in refused.value.cure


def test_verification_is_on_unless_switched_off():
    assert Plan(base_url="https://127.0.0.1", duration_s=1).tls.verify


def test_glibc_keeps_memory_where_there_is_glibc():
    has_glibc = sys.platform.startswith("linux") and hasattr(
        ctypes.CDLL(None), "gnu_get_libc_version"
    )
    assert keep_memory() is has_glibc
