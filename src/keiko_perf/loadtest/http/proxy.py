"""
Proxy: which one the environment names for a target, in the way that curl reads it.

`http_proxy`, `https_proxy` and `all_proxy`, in small or capital letters, name a proxy as
`http://[user:password@]host:port`; `no_proxy` lists hosts, domains and networks that are reached
without. A load through a proxy measures the proxy, so it is used only where a plan asks for it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.target import Target

_MOST_REWRITTEN = 1024


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    Attributes:
        host: a name or an address.
        port: 1 to 65535.
        authorization: the value of its Proxy-Authorization header; empty if it asks for none.
    """

    host: str
    port: int
    authorization: str = field(default="", repr=False)


class Forwarding:
    """Requests as a proxy is asked them: with the whole URL (RFC 9112, 3.2.2)."""

    def __init__(self, target: Target, proxy: Proxy) -> None:
        self._origin = target.origin.encode()
        self._added = b""
        if proxy.authorization:
            self._added = f"proxy-authorization: {proxy.authorization}\r\n".encode()
        self._rewritten: dict[Request, Request] = {}

    def rewrite(self, request: Request) -> Request:
        """*request* with another request line; written once for each."""
        found = self._rewritten.get(request)
        if found is None:
            if len(self._rewritten) >= _MOST_REWRITTEN:
                self._rewritten.clear()
            method, _, rest = request.wire.partition(b" ")
            line, end, headers = rest.partition(b"\r\n")
            wire = method + b" " + self._origin + line + end + self._added + headers
            found = self._rewritten[request] = replace(request, wire=wire)
        return found


def proxy_for(target: Target, environment: Mapping[str, str]) -> Proxy | None:
    """
    The proxy on the way to *target*; None if the environment names none.

    Raises:
        UsageError: what it names is no proxy that can be spoken to.
    """
    if _is_excepted(target, _named("no_proxy", environment)):
        return None
    url = _named(f"{target.scheme}_proxy", environment) or _named("all_proxy", environment)
    return _read(url, f"{target.scheme}_proxy") if url else None


def _named(name: str, environment: Mapping[str, str]) -> str:
    if name == "http_proxy" and "REQUEST_METHOD" in environment:
        # In a CGI program HTTP_PROXY is what a client sent as the header Proxy.
        return environment.get(name, "")
    return environment.get(name) or environment.get(name.upper()) or ""


def _read(url: str, name: str) -> Proxy:
    cure = "Write it as http://host:port"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the environment's {name} cannot be read", cure=cure) from error
    if parts.scheme != "http" or not parts.hostname:
        # The URL may hold a password, so it is not repeated.
        raise UsageError(f"the environment's {name} is no proxy that speaks http", cure=cure)
    authorization = ""
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(secret.encode()).decode()}"
    return Proxy(parts.hostname, port or 80, authorization)


def _is_excepted(target: Target, exceptions: str) -> bool:
    return any(
        _matches(target, one.strip()) for one in exceptions.lower().split(",") if one.strip()
    )


def _matches(target: Target, pattern: str) -> bool:
    if pattern == "*":
        return True
    try:
        return ip_address(target.host) in ip_network(pattern, strict=False)
    except ValueError:
        pass  # one of the two is a name
    host, _, port = pattern.rpartition(":")
    if host and port.isdigit():
        if int(port) != target.port:
            return False
        pattern = host
    pattern = pattern.removeprefix("*").removeprefix(".").strip("[]")
    return target.host == pattern or target.host.endswith(f".{pattern}")
