"""
Source: what is asked of which service, from whichever of its five forms was given.

A URL, a Python file with scenarios, an OpenAPI document, a HAR file or a curl command line. What an
import leaves out is said, so that nobody takes a part of a service for the whole.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os.path import exists
from pathlib import Path
from urllib.parse import urlsplit

from keiko_perf.cli.load.values import json_value, split_url
from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.loadtest import Promise, Step
from keiko_perf.loadtest.importers import Imported, LeftOut, from_curl, from_har, from_openapi
from keiko_perf.loadtest.users.scenario import Scenario
from keiko_perf.loadtest.users.scenario_file import load_promises, load_scenarios

_FETCHING_S = 10.0
_LARGEST_BYTES = 20 * 1024 * 1024
_WHERE = "Say where the service is, as in --url http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The options about what is asked, as they were given."""

    target: str | None = None
    url: str | None = None
    openapi: str | None = None
    writes: bool = False
    har: Path | None = None
    curl: str | None = None
    method: str | None = None
    body: str | None = None
    events: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)
    """That opens what is watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    Attributes:
        base_url: where the service is.
        steps: what is asked, unless there are scenarios.
        scenarios: what users do.
        left_out: what an import did not take.
        verify: whether certificates are checked, by the words of a curl line.
        promises: what the file of the scenarios promises; nobody is held to it who says otherwise.
    """

    base_url: str
    steps: tuple[Step, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    verify: bool = True
    promises: tuple[Promise, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the steps are called; nobody knows before a run what scenarios ask for."""
        return tuple(step.name for step in self.steps)


def source(given: Given) -> Source:
    """
    What is to be asked.

    Raises:
        UsageError: nothing was named, or two things, or what was named cannot be read.
        ServiceUnavailable: an OpenAPI document cannot be fetched.
    """
    _check(given)
    found = _source(given)
    if given.events is None:
        return found
    if not found.steps:
        raise UsageError(
            "--events is about requests, and not about users",
            cure="Name a URL, --openapi, --har or --curl",
        )
    events = given.events
    steps = (replace(step, streams=True, events=events) for step in found.steps)
    return replace(found, steps=tuple(steps))


def _source(given: Given) -> Source:
    if given.openapi is not None:
        return _openapi(given.openapi, given)
    if given.har is not None:
        found = from_har(_text(given.har, "the HAR file"))
        return _imported(found, given.url or found.origin)
    if given.curl is not None:
        found = from_curl(given.curl)
        return _imported(found, given.url or found.origin)
    assert given.target is not None
    if given.target.endswith(".py"):
        if given.url is None:
            raise UsageError(f"{given.target} does not say where the service is", cure=_WHERE)
        return Source(
            base_url=given.url,
            scenarios=load_scenarios(given.target),
            promises=load_promises(given.target),
        )
    base_url, path = split_url(given.target)
    return Source(base_url=base_url, steps=(_step(path, given),))


def _check(given: Given) -> None:
    forms = [
        name
        for name, value in (
            ("a URL or file", given.target),
            ("--openapi", given.openapi),
            ("--har", given.har),
            ("--curl", given.curl),
        )
        if value is not None
    ]
    if not forms:
        raise UsageError(
            "nothing to put under load",
            cure="Name a URL, a file of scenarios, --openapi, --har or --curl",
        )
    if len(forms) > 1:
        raise UsageError(f"{' and '.join(forms)} at once", cure="Name one thing to put under load")
    is_url = given.target is not None and not given.target.endswith(".py")
    if given.target is not None and is_url and exists(given.target):
        raise UsageError(
            f"{given.target} is no Python file with scenarios",
            cure="Name a file that ends in .py, pass it with --openapi or --har, or write "
            f"http://{given.target} if that is a host",
        )
    for option, is_given, fits, partner in (
        ("--url", given.url is not None, not is_url, "a file of scenarios or an import"),
        ("--method", given.method is not None, is_url, "a URL"),
        ("--json", given.body is not None, is_url, "a URL"),
        ("--writes", given.writes, given.openapi is not None, "--openapi"),
    ):
        if is_given and not fits:
            raise UsageError(f"{option} goes with {partner}", cure="Leave it out")


def _step(path: str, given: Given) -> Step:
    if given.body is None:
        return Step(method=given.method or "GET", path=path)
    return Step.with_json(json_value(given.body), path, method=given.method or "POST")


def _openapi(where: str, given: Given) -> Source:
    if not where.startswith(("http://", "https://")):
        found = from_openapi(_text(Path(where), "the OpenAPI document"), writes=given.writes)
        return _imported(found, given.url or found.origin)
    found = from_openapi(_fetched(where, given.headers), writes=given.writes)
    # Documents name the production servers; whoever fetched one here means the service here.
    parts = urlsplit(where)
    return _imported(found, given.url or f"{parts.scheme}://{parts.netloc}")


def _imported(found: Imported, base_url: str) -> Source:
    if not base_url:
        raise UsageError("the import does not say where the service is", cure=_WHERE)
    return Source(
        base_url=base_url, steps=found.steps, left_out=found.left_out, verify=found.verify
    )


def _text(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{what} {file} cannot be read", cure="Name a text file") from error


def _fetched(url: str, headers: Mapping[str, str]) -> str:
    """The document at *url*, with the headers of the load, past all proxies."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  # http or https
    try:
        with opener.open(request, timeout=_FETCHING_S) as answer:
            content: bytes = answer.read(_LARGEST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise ServiceUnavailable(
            f"{url} answers {error.code}", cure="Name the document, such as /openapi.json"
        ) from error
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ServiceUnavailable(
            f"{url} cannot be fetched: {getattr(error, 'reason', error)}",
            cure="See that the service runs and SSL_CERT_FILE names who signed its certificate, or "
            "name the document as a file",
        ) from error
    if len(content) > _LARGEST_BYTES:
        raise UsageError(f"{url} has more than 20 MiB", cure="Name an OpenAPI document")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{url} is no text", cure="Name an OpenAPI document") from error
