"""
Request: the bytes of a request, written once before it is sent, as often as that is.

A request may wish for more than that its answer is counted: that it is collected, decoded or
observed. It is then read on a slower way; nobody else pays for it.

Also how a request is shown to a person: as a curl line with its secrets masked.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import Protocol
from urllib.parse import unquote

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.headers import check_headers, lowered
from keiko_perf.loadtest.masks import masked_body, masked_header, masked_path
from keiko_perf.loadtest.target import VISIBLE, Target

LARGE_BODY_BYTES = 64 * 1024
"""A larger body is written piece by piece, as fast as the connection takes it."""

_OF_CURL = (b"host", b"content-length", b"transfer-encoding", b"accept", b"user-agent")


Upload = Callable[[], Iterable[bytes] | AsyncIterable[bytes]]
"""Makes a request's body anew each time that it is sent, piece by piece."""


class Observer(Protocol):
    """Who is told while an answer comes. All instants are on the clock of the request's owner."""

    def began(self, due: float, now: float) -> None:
        """The first byte of the answer to a request that was due at *due* came *now*."""

    def event(self, due: float, before: float | None, now: float) -> None:
        """A server-sent event came *now*, the one before it at *before*, None if none did."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wishes:
    """
    What a request wishes for beyond that its answer is counted.

    Attributes:
        collects: the answer is there on the channel when the owner is told of its end.
        max_body_bytes: how much of its body is kept; the rest is read and dropped.
        takes_gzip: a compressed body is decoded. The request has to ask for one, too.
        observer: who is told of its first byte and its events.
        events: after how many server-sent events the answer counts as complete; 0 is never.
        only_collects: it wishes for nothing else, which has a short way.
    """

    collects: bool = False
    max_body_bytes: int = 1024 * 1024
    takes_gzip: bool = False
    observer: Observer | None = None
    events: int = 0
    only_collects: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        others = self.takes_gzip or self.observer is not None or self.events
        object.__setattr__(self, "only_collects", self.collects and not others)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """
    Attributes:
        step: the index of its step in the plan.
        method: GET, POST…
        path: with its query, as it is sent.
        headers: names in lower case, as they are sent.
        body: what is sent after them; empty if nothing is, or if it is an upload.
        wire: the head, and the body unless it is large.
        rest: the body if it is large.
        is_head: whether its answer has no body whatever it says.
        upload: makes the body piece by piece, in the place of *body*.
        wishes: what it wishes for beyond being counted; None is nothing.
        is_plain: nothing of the above: it is written at once, and its answer counted.
        is_light: it is written at once, and its answer collected and no more.
    """

    step: int
    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)
    wire: bytes = field(repr=False)
    rest: bytes = field(repr=False)
    is_head: bool
    upload: Upload | None = field(default=None, repr=False)
    wishes: Wishes | None = None
    is_plain: bool = field(init=False, repr=False)
    is_light: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        is_special = self.is_head or self.rest or self.upload
        collects = self.wishes is not None and self.wishes.only_collects
        object.__setattr__(self, "is_plain", not (is_special or self.wishes))
        object.__setattr__(self, "is_light", collects and not is_special)


def compose(
    target: Target,
    path: str,
    *,
    step: int = 0,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    upload: Upload | None = None,
    wishes: Wishes | None = None,
) -> Request:
    """
    Write a request.

    Args:
        target: whom it goes to; its prefix comes before *path*.
        path: from the slash on, with its query.
        step: the index of the step that it is counted for.
        method: in capitals.
        headers: beside those that are always sent; the same name in other letters replaces those.
        body: what is sent, or None.
        upload: makes the body, in the place of *body*; it is sent in chunks.
        wishes: what it wishes for beyond being counted.

    Raises:
        UsageError: the path or a header could end before its end.
    """
    path = target.prefix + path
    if not VISIBLE.fullmatch(path):
        raise UsageError(
            f"{path!r} is no path that a request can carry",
            cure="Percent-encode blanks and characters outside ASCII",
        )
    given = lowered(headers or {})
    check_headers(given)
    named = {"host": target.authority, "accept": "*/*", "user-agent": "keiko-perf"} | given
    body_bytes = body or b""
    if upload is not None:
        named["transfer-encoding"] = "chunked"
    elif body is not None or method in ("POST", "PUT", "PATCH"):
        named["content-length"] = str(len(body_bytes))
    pairs = tuple((name.encode(), value.encode("latin-1")) for name, value in named.items())
    head = f"{method} {path} HTTP/1.1\r\n".encode()
    head += b"".join(name + b": " + value + b"\r\n" for name, value in pairs) + b"\r\n"
    is_large = len(body_bytes) > LARGE_BODY_BYTES
    return Request(
        step=step,
        method=method,
        path=path,
        headers=pairs,
        body=body_bytes,
        wire=head if is_large else head + body_bytes,
        rest=body_bytes if is_large else b"",
        is_head=method == "HEAD",
        upload=upload,
        wishes=wishes,
    )


def with_body(request: Request, body: bytes) -> Request:
    """*request*, whose body is no upload, with another body: what stays is not written again."""
    old = len(request.body)
    length = b"\r\ncontent-length: %d\r\n"
    head = request.wire[: len(request.wire) - (0 if request.rest else old)]
    # A header's value has no line end, so that this is the one, wherever it stands.
    head = head.replace(length % old, length % len(body))
    is_large = len(body) > LARGE_BODY_BYTES
    return replace(
        request,
        headers=tuple(
            (name, b"%d" % len(body) if name == b"content-length" else value)
            for name, value in request.headers
        ),
        body=body,
        wire=head if is_large else head + body,
        rest=body if is_large else b"",
    )


def curl(request: Request, base_url: str) -> str:
    """The request as a line for a shell, its secrets masked; *base_url* is the target's origin."""
    words = ["curl", "-i"]
    scheme, _, socket = base_url.partition("+unix://")
    if socket:
        base_url = f"{scheme}://localhost"
        words += ["--unix-socket", quote(unquote(socket))]
    if request.is_head:
        words.append("--head")
    elif request.method != "GET":
        words += ["-X", request.method]
    for name, value in request.headers:
        if name in _OF_CURL:
            continue
        shown = masked_header(name.decode(), value.decode("latin-1"))
        words += ["-H", quote(f"{name.decode()}: {shown}")]
    if request.upload is not None:
        words += ["--data-binary", "@-"]
    elif request.body:
        words += ["--data-binary", quote(masked_body(request.body))]
    return " ".join([*words, quote(f"{base_url}{masked_path(request.path)}")])
