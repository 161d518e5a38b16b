"""
Answers: what every response of the dashboard has in common: its headers, and how it is packed.

Every answer forbids what the page does not need (its Content-Security-Policy has no inline script
or style and no other origin), is never cached where it holds figures, and is not to be framed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from starlette.requests import Request
from starlette.responses import Response

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_WORTH_PACKING = 1_000


def html(
    name: str,
    texts: Mapping[str, str],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page with its texts set in; they are text and never markup."""
    template = Template(file(f"{name}.html").decode())
    page = template.substitute({key: escape(text) for key, text in texts.items()})
    return Response(
        page,
        status_code=status,
        media_type="text/html; charset=utf-8",
        headers={**HEADERS, "Vary": "Accept-Language, Cookie", **(headers or {})},
    )


def json_text(request: Request, text: str) -> Response:
    """A JSON document that is text already, packed if it is worth it and the asker takes it."""
    headers = {**HEADERS, "Vary": "Accept-Encoding, Accept-Language"}
    body = text.encode()
    if len(body) >= _WORTH_PACKING and takes_gzip(request):
        body = gzip.compress(body, 5)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type="application/json", headers=headers)


def refused(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal that says why."""
    body = json.dumps({"detail": why})
    return Response(
        body,
        status_code=status,
        media_type="application/json",
        headers={**HEADERS, **(headers or {})},
    )


def asset(request: Request, name: str) -> Response:
    """A script, a style or the icon; one that the browser has already is not sent again."""
    plain, packed, tag = _asset(name)
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    body = plain
    if takes_gzip(request):
        body, headers["Content-Encoding"] = packed, "gzip"
    return Response(body, media_type=_TYPES[name[name.rindex(".") :]], headers=headers)


def takes_gzip(request: Request) -> bool:
    """Whether the asker can unpack gzip."""
    codings = request.headers.get("accept-encoding", "").lower().split(",")
    return any(
        coding.partition(";")[0].strip() == "gzip" and "q=0" not in coding.replace("q=0.", "")
        for coding in codings
    )


@lru_cache(maxsize=32)
def _asset(name: str) -> tuple[bytes, bytes, str]:
    plain = file(name)
    return plain, gzip.compress(plain, 9, mtime=0), f'"{sha256(plain).hexdigest()[:16]}"'


def file(name: str) -> bytes:
    """A file of the page."""
    return (files("keiko_perf.monitoring.dashboard") / "page" / name).read_bytes()
