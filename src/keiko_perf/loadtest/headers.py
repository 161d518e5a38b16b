"""
Headers: what a request may say of itself, before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from keiko_perf.errors import UsageError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_OURS = frozenset({"connection", "content-length", "expect", "transfer-encoding", "upgrade"})


def bearer(token: str) -> dict[str, str]:
    """
    The header that carries a bearer token; none for an empty one.

    Raises:
        UsageError: the token has characters that no header can carry. It is not repeated.
    """
    if not token:
        return {}
    if token != token.strip() or not (token.isascii() and token.isprintable()):
        raise UsageError(
            "the bearer token has a blank at its end, a line end or characters outside ASCII",
            cure="Pass the token alone",
        )
    if token.lower().startswith("bearer "):
        raise UsageError("the bearer token begins with the word Bearer", cure="Pass it without")
    return {"authorization": f"Bearer {token}"}


def check_headers(headers: Mapping[str, str]) -> None:
    """
    Refuse headers that no request can carry, or that are the engine's own.

    Raises:
        UsageError: names the header, never its value.
    """
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise UsageError(f"{name!r} is no header's name", cure="Write headers as 'Name: value'")
        if name.lower() in _OURS:
            raise UsageError(
                f"the header {name} is the engine's own",
                cure="Leave it out: it follows from the body",
            )
        # A value may be a secret, so it is not repeated.
        if any(
            not (sign == "\t" or " " <= sign <= "~" or "\xa0" <= sign <= "\xff") for sign in value
        ):
            raise UsageError(
                f"the value of the header {name} has characters that no header carries",
                cure="Remove line ends and control characters, and encode what is not Latin-1",
            )


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """The same with the names in lower case, as they are compared."""
    return {name.lower(): value for name, value in headers.items()}
