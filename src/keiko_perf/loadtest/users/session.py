"""
Session: the cookies of one user, as a browser would keep and send them.

What RFC 6265 says of domain, path, secure and expiry holds; one target is all that there is, so a
cookie for another domain is refused. At most 50 cookies of 4 KiB are kept, and what a server wants
beyond that is left out, the oldest first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import inf

from keiko_perf.loadtest.target import Target

MOST_COOKIES = 50
LARGEST_COOKIE_BYTES = 4096
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-:<-~ ]*")


@dataclass(frozen=True, slots=True)
class _Cookie:
    value: str
    path: str
    is_secure: bool
    expires: float  # on the clock of the session


class Session:
    """
    Args:
        target: where the cookies come from and go to.
        now: seconds since the epoch.
    """

    __slots__ = ("_cookies", "_now", "_target", "_whole", "is_plain")

    def __init__(self, target: Target, now: Callable[[], float]) -> None:
        self._target = target
        self._now = now
        self._cookies: dict[tuple[str, str], _Cookie] = {}
        self.is_plain = True  # the header is the same for each path and instant
        self._whole = ""

    def __len__(self) -> int:
        return len(self._cookies)

    def get(self, name: str) -> str | None:
        """The value of a cookie, or None."""
        self._forget()
        return next((c.value for (n, _), c in self._cookies.items() if n == name), None)

    def set(self, name: str, value: str, *, path: str = "/") -> None:
        """
        Keep a cookie as if the server had set it.

        Raises:
            ValueError: no header can carry it.
        """
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("the cookie's name or value has characters that no header carries")
        self._keep(name, _Cookie(value, path, False, inf))

    def clear(self) -> None:
        """Forget all cookies."""
        self._cookies.clear()
        self._changed()

    def take(self, lines: Iterable[bytes], path: str) -> None:
        """Keep what the `Set-Cookie` lines of an answer say that was asked for under *path*."""
        for line in lines:
            self._take(line.decode("latin-1"), path)

    def header(self, path: str) -> str:
        """The value of the `Cookie` header for a request of *path*; empty if there is none."""
        if self.is_plain:
            return self._whole
        self._forget()
        path = path.partition("?")[0]
        fitting = [
            (name, one)
            for (name, _), one in self._cookies.items()
            if _is_under(path, one.path) and (self._target.is_tls or not one.is_secure)
        ]
        fitting.sort(key=lambda pair: -len(pair[1].path))  # the longer paths first, stable
        return "; ".join(f"{name}={one.value}" for name, one in fitting)

    def _take(self, line: str, path: str) -> None:
        pair, *rest = line.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return
        attributes = {}
        for part in rest:
            key, _, text = part.partition("=")
            attributes[key.strip().lower()] = text.strip()
        is_secure = "secure" in attributes
        domain = attributes.get("domain", "").lstrip(".").lower()
        if len(line) > LARGEST_COOKIE_BYTES or not self._is_ours(domain):
            return
        if is_secure and not self._target.is_tls:
            return
        where = attributes.get("path", "")
        where = where if where.startswith("/") else _folder(path)
        expires = self._expires(attributes)
        if expires <= self._now():
            self._cookies.pop((name, where), None)
            self._changed()
        else:
            self._keep(name, _Cookie(value, where, is_secure, expires))

    def _is_ours(self, domain: str) -> bool:
        host = self._target.host.lower()
        is_address = host.replace(".", "").isdigit() or ":" in host
        return domain in ("", host) or (
            not is_address and "." in domain and host.endswith(f".{domain}")
        )

    def _expires(self, attributes: dict[str, str]) -> float:
        age = attributes.get("max-age", "")
        if re.fullmatch(r"-?\d{1,12}", age):
            return self._now() + int(age) if int(age) > 0 else 0.0
        if date := attributes.get("expires"):
            try:
                at = parsedate_to_datetime(date.replace("-", " "))
            except (ValueError, TypeError):
                return inf  # RFC 6265: what cannot be read is as if it were not there
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        return inf

    def _keep(self, name: str, cookie: _Cookie) -> None:
        key = (name, cookie.path)
        if key not in self._cookies and len(self._cookies) >= MOST_COOKIES:
            del self._cookies[next(iter(self._cookies))]
        if self._cookies.get(key) != cookie:
            self._cookies[key] = cookie
            self._changed()

    def _forget(self) -> None:
        now = self._now()
        over = [key for key, one in self._cookies.items() if one.expires <= now]
        for key in over:
            del self._cookies[key]
        if over:
            self._changed()

    def _changed(self) -> None:
        kept = self._cookies.values()
        self.is_plain = all(one.path == "/" and one.expires == inf for one in kept)
        self._whole = ""
        if self.is_plain:
            self._whole = "; ".join(f"{n}={one.value}" for (n, _), one in self._cookies.items())


def _is_under(path: str, folder: str) -> bool:
    """RFC 6265, section 5.1.4."""
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def _folder(path: str) -> str:
    """The path that a cookie has that names none."""
    return path.partition("?")[0].rpartition("/")[0] or "/"
