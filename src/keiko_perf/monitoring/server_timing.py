"""
Server-Timing: where the time of one request went until its answer began, for who may know it.

It is told in the answer's header of that name (W3C), in milliseconds: statements, waiting for a
database connection, for other services, own code, waiting for the event loop, elsewhere. Who may
know it presents a run token, so that nobody else learns how long a password's check took.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import Any

from keiko_perf.monitoring.attribution import Account
from keiko_perf.monitoring.run_tokens import HEADER, is_run_token

_NAMES = ("sql", "pool", "http", "app", "loop", "elsewhere")


def timed(
    message: MutableMapping[str, Any],
    scope: MutableMapping[str, Any],
    account: Account,
    token: str,
    now: Callable[[], datetime],
) -> MutableMapping[str, Any]:
    """
    The beginning of an answer, with the header if the request of *scope* presents a run token.

    Args:
        message: `http.response.start`.
        scope: of the request.
        account: of the request.
        token: what run tokens are signed with.
        now: the wall clock, aware.
    """
    for name, value in scope.get("headers", ()):
        if name == HEADER:
            if not is_run_token(value, token, now().timestamp()):
                break
            headers = [*message.get("headers", ()), (b"server-timing", _told(account))]
            return {**message, "headers": headers}
    return message


def _told(account: Account) -> bytes:
    parts = (
        f"{name};dur={part_s * 1000:.3f}"
        for name, part_s in zip(_NAMES, account.parts_s(), strict=True)
    )
    statements = sum(told[0] for told in (account.asked or {}).values())
    return f'{", ".join(parts)}, statements;desc="{statements}"'.encode()
