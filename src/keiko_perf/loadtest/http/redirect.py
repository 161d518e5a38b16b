"""
Redirect: what is asked next, after an answer that says that it is elsewhere (RFC 9110, 15.4).

Only within the same origin: a load must not wander to a host that nobody meant.
"""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

from keiko_perf.errors import KeikoError
from keiko_perf.loadtest.request import Request, compose
from keiko_perf.loadtest.target import Target

_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_OF_BODY = frozenset({b"content-type", b"content-encoding", b"content-language"})
_WRITTEN_ANEW = frozenset({b"content-length", b"transfer-encoding"})
# All that may stand in a URL; what else a server put there is encoded as browsers do.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


def followed(request: Request, status: int, location: bytes, *, target: Target) -> Request | None:
    """
    The request that follows *request*; None if the answer is not followed.

    Args:
        request: what was answered.
        status: of the answer.
        location: its Location header; empty if it has none.
        target: whose origin is not left.
    """
    if status not in _FOLLOWED or not location:
        return None
    path = _path(request.path, location, target)
    if path is None:
        return None
    method = _method(request.method, status)
    keeps_body = method == request.method
    unsent = _WRITTEN_ANEW if keeps_body else _WRITTEN_ANEW | _OF_BODY
    headers = {
        name.decode(): value.decode("latin-1")
        for name, value in request.headers
        if name not in unsent
    }
    has_body = keeps_body and any(name == b"content-length" for name, _ in request.headers)
    try:
        return compose(
            Target(target.scheme, target.host, target.port, "", target.unix_socket),
            path,
            step=request.step,
            method=method,
            headers=headers,
            body=request.body if has_body else None,
            upload=request.upload if keeps_body else None,
            wishes=request.wishes,
        )
    except KeikoError:
        return None


def _method(method: str, status: int) -> str:
    """303 asks to look elsewhere; after 301 and 302 a POST becomes a GET, as everywhere."""
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        return "GET"
    return method


def _path(base: str, location: bytes, target: Target) -> str | None:
    """The path that *location* leads to, seen from *base*; None if it leaves the origin."""
    shown = "localhost" if target.unix_socket else target.authority
    origin = f"{target.scheme}://{shown}"
    try:
        url = urlsplit(urljoin(origin + base, quote(location.decode("latin-1"), safe=_SAFE)))
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        return None
    if (url.scheme, url.hostname, port) != (target.scheme, target.host.lower(), target.port):
        return None
    return (url.path or "/") + (f"?{url.query}" if url.query else "")
