"""
Options: what `load run` and `load show` can be told, each with its help.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keiko_perf.loadtest.processes.share import MOST_PROCESSES

_ASKED = "What is asked"
_LOAD = "How much"
_WAY = "The way there"
_TARGETS = "Targets"
_SAFETY = "Safety"

TargetArgument = Annotated[
    str | None,
    typer.Argument(
        help="A URL such as http://127.0.0.1:8000/api, or a Python file with scenarios.",
        show_default=False,
    ),
]

# What is asked

Url = Annotated[
    str | None,
    typer.Option(
        help="Where the service is, for a file of scenarios and for imports.",
        rich_help_panel=_ASKED,
    ),
]
OpenApi = Annotated[
    str | None,
    typer.Option(
        "--openapi",
        help="Ask for each operation of this OpenAPI document, a URL or a file.",
        rich_help_panel=_ASKED,
    ),
]
Writes = Annotated[
    bool,
    typer.Option(
        "--writes",
        help="With --openapi: also POST, PUT, PATCH and DELETE, which change what is stored.",
        rich_help_panel=_ASKED,
    ),
]
HarFile = Annotated[
    Path | None,
    typer.Option(
        "--har",
        help="Ask what a browser recorded in this HAR file, without its cookies and tokens.",
        rich_help_panel=_ASKED,
    ),
]
CurlLine = Annotated[
    str | None,
    typer.Option("--curl", help="Ask what this curl command line asks.", rich_help_panel=_ASKED),
]
Method = Annotated[
    str | None,
    typer.Option(
        "--method", "-X", help="GET, or POST with --json, unless given.", rich_help_panel=_ASKED
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        "--header", "-H", help="'Name: value', as often as needed.", rich_help_panel=_ASKED
    ),
]
JsonBody = Annotated[
    str | None,
    typer.Option(
        "--json",
        help="The body, as JSON; @FILE reads it from a file.",
        rich_help_panel=_ASKED,
    ),
]
EventCount = Annotated[
    int | None,
    typer.Option(
        "--events",
        min=0,
        help="Of server-sent events: an answer is complete after so many, 0 is at its own end. The "
        "time to the first one and the gaps are told.",
        rich_help_panel=_ASKED,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        envvar="KEIKO_PERF_LOAD_TOKEN",
        show_default=False,
        help="The bearer token of the requests. The environment variable keeps it out of the "
        "process list. KEIKO_PERF_TOKEN is the monitor's: it opens what is watched, no more.",
        rich_help_panel=_ASKED,
    ),
]

# How much

Rate = Annotated[
    float | None,
    typer.Option(
        help="Open load: requests a second, whether or not the service keeps up. 10 unless given.",
        rich_help_panel=_LOAD,
    ),
]
UserCount = Annotated[
    int | None,
    typer.Option(
        "--users",
        help="Closed load: users who ask one after the other.",
        rich_help_panel=_LOAD,
    ),
]
StagesText = Annotated[
    str | None,
    typer.Option(
        "--stages", help="Open load in stages: 50@30s,200@2m,0@10s.", rich_help_panel=_LOAD
    ),
]
ReplayFile = Annotated[
    Path | None,
    typer.Option(
        "--replay",
        help="Open load at the instants of this file: one a line, seconds or ISO 8601.",
        rich_help_panel=_LOAD,
    ),
]
IsPoisson = Annotated[
    bool,
    typer.Option(
        "--poisson", help="Random distances between requests, with --rate.", rich_help_panel=_LOAD
    ),
]
Spike = Annotated[
    str | None,
    typer.Option(
        help="A jump to another rate and back, with --rate: 500@10s.", rich_help_panel=_LOAD
    ),
]
ThinkTime = Annotated[
    str | None,
    typer.Option(
        "--think",
        help="How long a user thinks, with --users. Not at all unless given.",
        rich_help_panel=_LOAD,
    ),
]
Duration = Annotated[
    str | None,
    typer.Option(
        help="How long is measured: 500ms, 30s, 5m, 1h. 30s unless given.", rich_help_panel=_LOAD
    ),
]
Warmup = Annotated[
    str,
    typer.Option(
        help="Load before measuring begins, such as 5s; `auto` measures from the start, and judges "
        "by what came once response times had settled.",
        rich_help_panel=_LOAD,
    ),
]

Processes = Annotated[
    int,
    typer.Option(
        min=1,
        max=MOST_PROCESSES,
        help="Processes that share the load, where one is not enough.",
        rich_help_panel=_LOAD,
    ),
]

WatchUrl = Annotated[
    str | None,
    typer.Option(
        "--watch",
        help="Read the service's own figures meanwhile: the address of a service that has a "
        "PerformanceMonitor. They say what limits it.",
    ),
]

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="Look meanwhile what the sessions of this PostgreSQL are at, four times a second: "
        "postgresql://user:password@host/name.",
    ),
]

# The way there

Timeout = Annotated[str, typer.Option(help="How long an answer may take.", rich_help_panel=_WAY)]
Connections = Annotated[
    int, typer.Option(help="Most connections of open load.", rich_help_panel=_WAY)
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca", help="Trust the authorities in this PEM file, for https.", rich_help_panel=_WAY
    ),
]
CertFile = Annotated[
    Path | None,
    typer.Option("--cert", help="The client's certificate, a PEM file.", rich_help_panel=_WAY),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key", help="Its key, where it is not in that file.", rich_help_panel=_WAY),
]
IsInsecure = Annotated[
    bool,
    typer.Option(
        "--insecure",
        help="Don't check the service's certificate: anybody on the way may answer.",
        rich_help_panel=_WAY,
    ),
]
UnixSocket = Annotated[
    Path | None,
    typer.Option(help="Connect to this socket, whatever the URL's host.", rich_help_panel=_WAY),
]
FollowRedirects = Annotated[
    int,
    typer.Option(
        help="How many redirects in a row are followed; their time counts.", rich_help_panel=_WAY
    ),
]
AcceptsGzip = Annotated[
    bool,
    typer.Option("--gzip", help="Ask for compressed answers.", rich_help_panel=_WAY),
]
UsesProxy = Annotated[
    bool,
    typer.Option(
        "--proxy-from-env",
        help="Go through the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
        rich_help_panel=_WAY,
    ),
]
ResolvesEach = Annotated[
    bool,
    typer.Option(
        "--dns-per-connection",
        help="Ask DNS for each connection, and not once.",
        rich_help_panel=_WAY,
    ),
]

# Targets

MaxP50 = Annotated[
    list[str] | None,
    typer.Option(help="Target: the median of the response times.", rich_help_panel=_TARGETS),
]
MaxP95 = Annotated[
    list[str] | None,
    typer.Option(
        help="Target: the p95 of the response times, such as 200ms, or of one step: "
        "'GET /items=200ms'. As often as needed, like all targets.",
        rich_help_panel=_TARGETS,
    ),
]
MaxP99 = Annotated[
    list[str] | None,
    typer.Option(help="Target: the p99 of the response times.", rich_help_panel=_TARGETS),
]
MaxErrors = Annotated[
    list[str] | None,
    typer.Option(
        help="Target: the share of requests that may fail, in per cent. 1 unless given.",
        rich_help_panel=_TARGETS,
    ),
]
MinRate = Annotated[
    list[str] | None,
    typer.Option(
        help="Target: requests that are answered a second, at least.", rich_help_panel=_TARGETS
    ),
]

SloText = Annotated[
    list[str] | None,
    typer.Option(
        "--slo",
        help="Promises as sentences: 'p95 of POST /orders < 100ms for 10s, stop as failed' or "
        "'p99<250ms, errors<0.1%, rps>500'. As often as needed. Without any target: what the file "
        "of the scenarios says in its `slo`.",
        rich_help_panel=_TARGETS,
    ),
]

# Safety

IsOwnTarget = Annotated[
    bool,
    typer.Option(
        "--i-own-this-target",
        help="Allow a public address: it is yours to load.",
        rich_help_panel=_SAFETY,
    ),
]
MaxDuration = Annotated[str, typer.Option(help="Refuse a longer test.", rich_help_panel=_SAFETY)]
MaxRate = Annotated[float, typer.Option(help="Refuse a higher rate.", rich_help_panel=_SAFETY)]

SaveFile = Annotated[Path | None, typer.Option("--save", help="Keep the result in this file.")]
