"""
Who may look: with a token whoever has it, without one whoever sits at this machine.

The token comes as `Authorization: Bearer`, or once through the login form, which gives a cookie
that holds a signed time and not the token. Without a token a request counts as local if it comes
from a loopback address, was not forwarded by a proxy, and does not name a host of the internet's
domain name system (a page elsewhere could have pointed such a name at this machine). A proxy on
this machine that adds no header of its own cannot be told from a person: set a token behind one.
An application that knows its people may let them in itself: it says so in the request's scope.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from enum import Enum
from ipaddress import ip_address

COOKIE = "keiko_perf_session"
SESSION_S = 12 * 3600
_FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
)
LET_IN = "keiko_perf.let_in"
"""What the scope of a request has that the application has let in."""
_IN_PROCESS = "testclient"
"""What Starlette's test client calls itself; no server reports a peer of this name."""


class Access(Enum):
    """What a request may do."""

    GRANTED = "granted"
    LOGIN_NEEDED = "login needed"  # there is a token, and the request does not have it
    TOO_MANY_GUESSES = "too many guesses"  # the token it has is not even looked at
    LOCAL_ONLY = "local only"  # there is no token, and the request comes from elsewhere


def access(
    token: str | None,
    *,
    client: str | None,
    headers: Mapping[str, str],
    cookie: str | None,
    now_s: float,
) -> Access:
    """
    Whether a request may read.

    Args:
        token: the secret that opens the dashboard, if there is one.
        client: the address of the peer; None for a local socket, behind which a proxy may be.
        headers: of the request, their names in lower case.
        cookie: the value of the session cookie, if one came.
        now_s: seconds since 1970.
    """
    if token is None:
        is_local = _is_loopback(client) and not any(name in headers for name in _FORWARDED)
        granted = is_local and _names_no_domain(headers.get("host", ""))
        return Access.GRANTED if granted else Access.LOCAL_ONLY
    given = bearer(headers)
    if given is not None and is_token(given, token):
        return Access.GRANTED
    if cookie is not None and _is_session(cookie, token, now_s):
        return Access.GRANTED
    return Access.LOGIN_NEEDED


def bearer(headers: Mapping[str, str]) -> str | None:
    """The bearer token of a request, if it presents one."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    # A header's bytes come as Latin-1, whatever they are; a token beyond ASCII is UTF-8.
    return given.strip().encode("latin-1", "replace").decode("utf-8", "replace")


def is_token(given: str, token: str) -> bool:
    """Whether *given* is the token, in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode(), token.encode())


def session(token: str, now_s: float) -> str:
    """A cookie's value that is good for `SESSION_S`; it does not give the token away."""
    ends = str(int(now_s) + SESSION_S)
    return f"{ends}.{_signature(ends, token)}"


def _is_session(cookie: str, token: str, now_s: float) -> bool:
    ends, _, signature = cookie.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(ends, token).encode()):
        return False
    return int(ends) > now_s  # it is signed, so it is a number


def _signature(ends: str, token: str) -> str:
    return hmac.new(
        token.encode(), f"keiko-perf session {ends}".encode(), hashlib.sha256
    ).hexdigest()


def _is_loopback(client: str | None) -> bool:
    if client == _IN_PROCESS:
        return True
    try:
        address = ip_address(client or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1, on a dual-stack socket
    return (mapped or address).is_loopback


def _names_no_domain(host: str) -> bool:
    """Whether *host*, with or without a port, is an address or a name without a domain."""
    if host.startswith("["):
        name = host[1:].partition("]")[0]  # an IPv6 address, if it is what it looks like
        return ":" in name
    name = host.rpartition(":")[0] or host
    if name == "localhost" or name.endswith(".localhost") or "." not in name.rstrip("."):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
