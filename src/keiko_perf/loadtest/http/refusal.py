"""
Refusal: which class of failure it is that a connection was not made, or was lost.
"""

from __future__ import annotations

import errno
import socket
import ssl

from keiko_perf.errors import KeikoError
from keiko_perf.loadtest.http import tls
from keiko_perf.loadtest.http.ways import ProxyRefused
from keiko_perf.loadtest.transport import Failure

_GENERATOR_ERRORS = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN)
)


def why_not_connected(error: OSError | KeikoError, *, is_tls: bool) -> tuple[Failure, str]:
    """Why there is no connection, and that in a few words."""
    if isinstance(error, KeikoError):
        return Failure.DNS, error.what
    if isinstance(error, ssl.SSLError):
        return Failure.TLS, tls.words(error)
    if isinstance(error, socket.gaierror):
        return Failure.DNS, "the name was not resolved"
    if isinstance(error, ProxyRefused):
        return Failure.CONNECT_REFUSED, str(error)
    if error.errno in _GENERATOR_ERRORS:
        return Failure.GENERATOR, words(error)
    if isinstance(error, TimeoutError):
        return Failure.CONNECT_TIMEOUT, words(error)
    if isinstance(error, ConnectionResetError | ConnectionAbortedError):
        return (Failure.TLS, "closed in the handshake") if is_tls else (Failure.RESET, words(error))
    return Failure.CONNECT_REFUSED, words(error)


def why_lost(error: Exception) -> tuple[Failure, str]:
    """Why a connection broke in the middle of a request."""
    if isinstance(error, ssl.SSLError):
        return Failure.TLS, tls.words(error)
    if getattr(error, "errno", None) in _GENERATOR_ERRORS:
        return Failure.GENERATOR, words(error)
    if getattr(error, "errno", None) == errno.ENOTCONN:
        # The queue of a unix socket was full, which asyncio takes for a connection.
        return Failure.CONNECT_REFUSED, words(error)
    return Failure.RESET, words(error)


def words(error: Exception) -> str:
    """The system's words for *error*, without the address and port that vary."""
    number = getattr(error, "errno", None)
    if number:
        return errno.errorcode.get(number, str(number))
    return type(error).__name__
