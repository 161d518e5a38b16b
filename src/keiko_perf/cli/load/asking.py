"""
Asking: the options about what is put under load, which several commands have, read as one `Given`.

    @asks
    def run_command(given: Given, rate: Rate = None) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Signature, signature
from itertools import islice
from typing import Any, get_type_hints

from rich.console import Console
from rich.text import Text

from keiko_perf.cli.load.options import (
    CurlLine,
    EventCount,
    HarFile,
    Header,
    JsonBody,
    Method,
    OpenApi,
    TargetArgument,
    Token,
    Url,
    Writes,
)
from keiko_perf.cli.load.source import Given, Source
from keiko_perf.cli.load.values import headers
from keiko_perf.config import load_settings
from keiko_perf.loadtest import bearer

_MOST_TOLD = 5


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """*command* with these options in place of its parameter `given`."""

    def asking(**options: Any) -> None:
        shared = {name: options.pop(name) for name in signature(_given).parameters}
        command(given=_given(**shared), **options)

    own = {name: one for name, one in signature(command).parameters.items() if name != "given"}
    hints = get_type_hints(_given, include_extras=True) | get_type_hints(
        command, include_extras=True
    )
    parameters = [
        one.replace(annotation=hints[name])
        for name, one in {**signature(_given).parameters, **own}.items()
    ]
    asking.__name__, asking.__doc__ = command.__name__, command.__doc__
    # Whoever reads the options off a command looks at these two.
    asking.__signature__ = Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    asking.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    return asking


def tell_left_out(asked: Source, console: Console) -> None:
    """What an import did not take: whoever reads the figures has to know."""
    for one in islice(asked.left_out, _MOST_TOLD):
        console.print(Text(f"left out: {one.what}, {one.why}", "dim"), soft_wrap=True)
    if len(asked.left_out) > _MOST_TOLD:
        console.print(Text(f"left out: {len(asked.left_out) - _MOST_TOLD} more", "dim"))


def monitors_token() -> str:
    """What opens the dashboard of what is watched; the service's own users have others."""
    token = load_settings().token
    return "" if token is None else token.get_secret_value()


def _given(
    target: TargetArgument = None,
    url: Url = None,
    openapi: OpenApi = None,
    writes: Writes = False,
    har: HarFile = None,
    curl: CurlLine = None,
    method: Method = None,
    header: Header = None,
    json_body: JsonBody = None,
    events: EventCount = None,
    token: Token = "",
) -> Given:
    return Given(
        target=target,
        url=url,
        openapi=openapi,
        writes=writes,
        har=har,
        curl=curl,
        method=method,
        body=json_body,
        events=events,
        headers=bearer(token) | headers(header or []),
        token=monitors_token() or token,
    )
