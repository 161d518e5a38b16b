"""
Target: where the requests of a plan go, and how the way there is secured.

A target is a URL in its parts. A service that listens on a unix socket is written
`http+unix://%2Frun%2Fapp.sock/path`, the socket's path percent-encoded in the place of the host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from keiko_perf.errors import UsageError

VISIBLE = re.compile(r"[!-~]+")
"""Visible ASCII: nothing that could end a request line early."""

_CURE = "Write it as http://127.0.0.1:8000"
_PORTS = {"http": 80, "https": 443}
_LONGEST_SOCKET_BYTES = 107  # the system's own limit on the path of a unix socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """
    How https is spoken.

    Attributes:
        ca_file: certificates of the authorities to trust, as PEM; the machine's own if empty.
        cert_file: the client's certificate with its chain, as PEM, where the service asks for one.
        key_file: its key, where that is not in the same file.
        minimum: the oldest version that is spoken, "1.2" or "1.3".
        verify: whether the service's certificate and name are checked. Without, anybody on the
            way can read and answer the requests, and be put under load.
        server_name: the name that is asked for (SNI) and checked; the target's host if empty.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    minimum: str = "1.2"
    verify: bool = True
    server_name: str = ""

    def __post_init__(self) -> None:
        if self.minimum not in ("1.2", "1.3"):
            raise UsageError(f"no TLS version {self.minimum!r}", cure="Use 1.2 or 1.3")
        if self.key_file and not self.cert_file:
            raise UsageError(
                "a key without its certificate", cure="Give the client's certificate as well"
            )
        if self.ca_file and not self.verify:
            raise UsageError(
                "authorities to trust, and nothing is to be verified",
                cure="Leave out one of the two",
            )


@dataclass(frozen=True, slots=True)
class Target:
    """
    Attributes:
        scheme: http or https.
        host: a name or an address, without brackets.
        port: 1 to 65535.
        prefix: what all paths begin with; empty, or from the slash on without one at its end.
        unix_socket: the path of the socket that is connected to in the place of host and port.
    """

    scheme: str
    host: str
    port: int
    prefix: str
    unix_socket: str = ""

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The Host header: IPv6 in brackets, the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The URL without a path; of a unix socket what it is written as."""
        if self.unix_socket:
            return f"{self.scheme}+unix://{quote(self.unix_socket, safe='')}"
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.prefix}"


def read_target(base_url: str, *, unix_socket: str = "") -> Target:
    """
    The parts of a URL.

    Raises:
        UsageError: it cannot be a target. A password in it is not repeated.
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise UsageError("the base URL cannot be read", cure=_CURE) from error
    if parts.username is not None or parts.password is not None:
        # It may hold a password, so it is not repeated.
        raise UsageError(
            "the base URL holds a user or a password", cure="Send them as an Authorization header"
        )
    scheme, _, way = parts.scheme.partition("+")
    if scheme not in _PORTS or way not in ("", "unix") or not parts.hostname:
        raise UsageError(f"{base_url!r} is no http or https URL", cure=_CURE)
    if port == 0:
        raise UsageError(f"{base_url!r} names port 0", cure=_CURE)
    if parts.query or parts.fragment:
        raise UsageError(
            "the base URL has a query or a fragment", cure="Move it into a step's path"
        )
    prefix = parts.path.rstrip("/")
    if prefix and not VISIBLE.fullmatch(prefix):
        raise UsageError("the base URL's path has characters that no request carries", cure=_CURE)
    if way:
        # urlsplit lowers the host's letters, and a path of a file keeps its own.
        unix_socket, host = unquote(parts.netloc), "localhost"
    else:
        host = _host(parts.hostname)
    if unix_socket:
        _check_socket(unix_socket)
    return Target(scheme, host, port or _PORTS[scheme], prefix, unix_socket)


def _host(name: str) -> str:
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError as error:
        raise UsageError("the base URL's host is no name that DNS knows", cure=_CURE) from error


def _check_socket(path: str) -> None:
    if not path.startswith("/") or "\0" in path:
        raise UsageError(
            f"{path!r} is no absolute path of a unix socket",
            cure="Write it as http+unix://%2Frun%2Fapp.sock",
        )
    if len(path.encode()) > _LONGEST_SOCKET_BYTES:
        raise UsageError(
            f"the unix socket's path is longer than {_LONGEST_SOCKET_BYTES} bytes",
            cure="Use a shorter one, or a symbolic link to its folder",
        )
