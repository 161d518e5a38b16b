"""
Service: a running service as the command line asks it, over HTTP, for its health.

Loopback or not, it is asked with the token of the settings, and its answer is bounded. What it
answers is material: a text of its own is shown as text.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.monitoring.export.health import MEDIA
from keiko_perf.monitoring.opening import opener_of, proxy_of

PREFIX = "/performance"
_MOST_BYTES = 8 << 20
_TIMEOUT_S = 10.0


def is_address(source: str) -> bool:
    """Whether *source* is the address of a service, and no file."""
    return source.lower().startswith(("http://", "https://"))


def read_health(
    url: str, token: str | None, *, timeout_s: float = _TIMEOUT_S, lang: str = "en"
) -> Mapping[str, Any]:
    """
    The health of the service at *url*, as it tells it.

    Args:
        url: of the service; with or without `/performance`.
        token: that opens its dashboard.
        timeout_s: how long its answer is waited for.
        lang: the language of what a person reads in it.

    Raises:
        UsageError: the address names no host.
        ServiceUnavailable: it does not answer, or nothing of the kind.
    """
    return read_document(
        url, "/health", token, known_by="checks", media=MEDIA, timeout_s=timeout_s, lang=lang
    )


def read_document(
    url: str,
    path: str,
    token: str | None,
    *,
    known_by: str,
    media: str = "application/json",
    timeout_s: float = _TIMEOUT_S,
    lang: str = "en",
) -> Mapping[str, Any]:
    """
    What the service at *url* tells beneath `/performance`.

    Args:
        url: of the service; with or without `/performance`.
        path: which document, such as `/attribution?last=20`.
        token: that opens its dashboard.
        known_by: a member that the document has.
        media: the type that is asked for.
        timeout_s: how long its answer is waited for.
        lang: the language of what a person reads in it.

    Raises:
        UsageError: the address names no host.
        ServiceUnavailable: it does not answer, or nothing of the kind.
    """
    address, host = _address(url, path)
    headers = {"Accept": media, "Accept-Language": lang}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = Request(address, headers=headers)  # noqa: S310 - http or https, it was checked
    try:
        with opener_of(address).open(request, timeout=timeout_s) as answered:
            body = answered.read(_MOST_BYTES)
    except HTTPError as error:
        with error:
            if error.code != 503:
                raise _refused(host, error.code) from error
            body = error.read(_MOST_BYTES)  # a service that is not well says so with this status
    except (OSError, HTTPException) as error:
        raise _unanswered(address, host, error, timeout_s) from error
    return _document(host, body, known_by)


def _document(host: str, body: bytes, known_by: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
        if isinstance(document, dict) and known_by in document:
            return document
    except ValueError:
        pass
    raise ServiceUnavailable(
        f"the service at {host} answers, but nothing of keiko-perf's",
        cure="Install a monitor in it: PerformanceMonitor().install(app)",
    )


def _address(url: str, path_of_it: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise UsageError("this address names no host", cure="Give it as in http://localhost:8000")
    path = parts.path.rstrip("/")
    if not path.endswith(PREFIX):
        path += PREFIX
    shown = f"[{host}]" if ":" in host else host
    place = shown if port is None else f"{shown}:{port}"
    return f"{parts.scheme}://{place}{path}{path_of_it}", place


def _unanswered(address: str, host: str, error: Exception, timeout_s: float) -> ServiceUnavailable:
    kind = getattr(error, "reason", None) or error
    if isinstance(kind, TimeoutError):
        return ServiceUnavailable(
            f"the service at {host} is there, and has not answered within {timeout_s:g} s",
            cure="Its event loop may be held all the time: py-spy dump --pid PID shows by what",
        )
    if isinstance(kind, HTTPException):
        said = " ".join(repr(kind).split())[:120]
        return ServiceUnavailable(
            f"what answers at {host} does not speak HTTP/1.1: {said}",
            cure="See that the port is the service's, and whether it wants https",
        )
    if isinstance(kind, ssl.SSLCertVerificationError):
        return ServiceUnavailable(
            f"the certificate of the service at {host} is not trusted: {kind.verify_message}",
            cure="Name the authority that signed it, as in SSL_CERT_FILE=ca.pem",
        )
    if isinstance(kind, ssl.SSLError):
        return ServiceUnavailable(
            f"what answers at {host} does not speak TLS: {kind.reason}",
            cure="See that the port is the service's, and whether it wants http",
        )
    if (proxy := proxy_of(address)) is not None:
        return ServiceUnavailable(
            f"the service at {host} does not answer by the proxy {proxy}: {kind}",
            cure="Name its host in NO_PROXY, or unset the environment's proxy, to ask it directly",
        )
    return ServiceUnavailable(
        f"the service at {host} does not answer: {kind}",
        cure="See that it runs, and that its address and port are right",
    )


def _refused(host: str, status: int) -> ServiceUnavailable:
    if status == 429:
        return ServiceUnavailable(
            f"the service at {host} turns away who asks for its health: status 429, too many "
            "requests",
            cure="Ask again in a minute; a rate limiter of the service's own has to let "
            "/performance pass. Wrong tokens are turned away as well: see KEIKO_PERF_TOKEN",
        )
    if status in (401, 403):
        return ServiceUnavailable(
            f"the service at {host} does not let its health be read: status {status}",
            cure="Set KEIKO_PERF_TOKEN to the token that PerformanceMonitor(token=...) was given",
        )
    if status >= 500:
        return ServiceUnavailable(
            f"the service at {host} fails when it is asked for its health: status {status}",
            cure="Its log tells by what; a proxy before it says so as well where it does not run",
        )
    return ServiceUnavailable(
        f"the service at {host} has no health to read: status {status}",
        cure="Install a monitor in it: PerformanceMonitor().install(app). Behind a prefix it is"
        " named with that, as in http://localhost:8000/api",
    )
