"""
Opening: an address by HTTP, and none that its answer leads on to.

What is on this machine is asked past every proxy: one of the environment is meant for the world
outside, and finds something else there, or nothing, under `localhost`.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    build_opener,
    getproxies,
    proxy_bypass,
)


def opener_of(url: str) -> OpenerDirector:
    """What opens *url*, and no redirect: a token or a document was meant for this host."""
    if is_this_machine(urlsplit(url).hostname or ""):
        return build_opener(_NoRedirect, ProxyHandler({}))
    return build_opener(_NoRedirect)


def proxy_of(url: str) -> str | None:
    """Host and port of the proxy by which *url* is asked; its URL may hold a password."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_this_machine(host) or proxy_bypass(host):
        return None
    proxy = getproxies().get(parts.scheme, "")
    return urlsplit(proxy if "//" in proxy else f"//{proxy}").netloc.rpartition("@")[2] or None


def is_this_machine(host: str) -> bool:
    """Whether a name or an address is that of the loopback interface."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None
