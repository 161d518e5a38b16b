"""
Request: the bytes of each request of a plan, written once before the load starts.

Also how a request is shown to a person: as a curl line with its secrets masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from shlex import quote

from keiko_perf.loadtest.plan import Plan, Step

LARGE_BODY_BYTES = 64 * 1024
"""A larger body is written piece by piece, as fast as the connection takes it."""

MASK = "***"
_SECRET = re.compile(
    r"auth|cookie|token|secret|passw|credential|session|api[-_]?key|signature", re.I
)
_JSON_SECRET = re.compile(
    rf'("[^"]*(?:{_SECRET.pattern})[^"]*"\s*:\s*)("(?:[^"\\]|\\.)*"|[^\s,}}\]]+)', re.I
)
_FORM_SECRET = re.compile(rf"((?:^|[?&])[^=&]*(?:{_SECRET.pattern})[^=&]*=)[^&]*", re.I)
_SHOWN_BODY = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """
    Attributes:
        step: the index of its step in the plan.
        method: GET, POST…
        path: with its query, as it is sent.
        headers: names in lower case, as they are sent.
        body: what is sent after them; empty if nothing is.
        wire: the head, and the body unless it is large.
        rest: the body if it is large.
        is_head: whether its answer has no body whatever it says.
    """

    step: int
    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)
    wire: bytes = field(repr=False)
    rest: bytes = field(repr=False)
    is_head: bool


def prepare(plan: Plan) -> tuple[tuple[Request, ...], ...]:
    """The requests of each step, in the order of its rows."""
    return tuple(
        tuple(_request(plan, index, step, path) for path in step.paths())
        for index, step in enumerate(plan.steps)
    )


def in_turn(plan: Plan) -> Iterator[Request]:
    """The requests in the plan's order, without end; each step goes through its rows."""
    prepared = [cycle(requests) for requests in prepare(plan)]
    if len(prepared) == 1:
        return prepared[0]
    return (next(prepared[step]) for step in cycle(plan.order))


def curl(request: Request, base_url: str) -> str:
    """The request as a line for a shell, its secrets masked."""
    words = ["curl", "-i"]
    if request.is_head:
        words.append("--head")
    elif request.method != "GET":
        words += ["-X", request.method]
    for name, value in request.headers:
        if name in (b"host", b"content-length", b"accept", b"user-agent"):
            continue
        shown = MASK if _SECRET.search(name.decode()) else value.decode("latin-1")
        words += ["-H", quote(f"{name.decode()}: {shown}")]
    if request.body:
        words += ["--data-binary", quote(_masked_body(request.body))]
    path, _, query = request.path.partition("?")
    masked = _FORM_SECRET.sub(rf"\g<1>{MASK}", f"?{query}") if query else ""
    return " ".join([*words, quote(f"{base_url}{path}{masked}")])


def _request(plan: Plan, index: int, step: Step, path: str) -> Request:
    target = plan.target
    body = step.body or b""
    headers = {"host": target.authority, "accept": "*/*", "user-agent": "keiko-perf"}
    headers |= _lowered(plan.headers) | _lowered(step.headers)
    if step.body is not None or step.method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(body))
    path = target.prefix + path
    pairs = tuple((name.encode(), value.encode("latin-1")) for name, value in headers.items())
    head = f"{step.method} {path} HTTP/1.1\r\n".encode()
    head += b"".join(name + b": " + value + b"\r\n" for name, value in pairs) + b"\r\n"
    is_large = len(body) > LARGE_BODY_BYTES
    return Request(
        step=index,
        method=step.method,
        path=path,
        headers=pairs,
        body=body,
        wire=head if is_large else head + body,
        rest=body if is_large else b"",
        is_head=step.method == "HEAD",
    )


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _masked_body(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body)} bytes)"
    if len(text) > _SHOWN_BODY:
        return f"({len(body)} bytes)"
    text = _JSON_SECRET.sub(rf'\g<1>"{MASK}"', text)
    return _FORM_SECRET.sub(rf"\g<1>{MASK}", text)
