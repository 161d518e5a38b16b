"""
HAR 1.2: what a browser recorded, as steps in the same order.

Only requests of one origin become steps, and of these only what was answered well when it was
recorded: the 404 of a picture that is not there would fail each time again. Cookies and
authorization are secrets of whoever recorded them, so they are left out unless asked for; headers
of the connection always are.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.importers.imported import (
    Imported,
    LeftOut,
    expect,
    literal,
    told_apart,
    usable,
)
from keiko_perf.loadtest.plan import Step

_KEPT = "/?%&=:@!$'()*+,;~-._[]|^`\"<>\\"
_NOT_REPEATED = ("CONNECT", "TRACE")


def from_har(text: str, *, origin: str = "", with_secrets: bool = False) -> Imported:
    """
    The requests of a HAR file that went to one origin.

    Args:
        text: the file.
        origin: as `http://127.0.0.1:8000`; that of the first request unless given.
        with_secrets: keep the headers Cookie and Authorization.

    Raises:
        UsageError: it is no HAR, or has no request to the origin; names the place.
    """
    try:
        root = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the file is no HAR: {error}", cure="Export it from the browser"
        ) from error
    if "log" not in expect(root, dict, "the file"):
        raise UsageError("the file is no HAR: it has no log", cure="Export it from the browser")
    log = expect(root["log"], dict, "log")
    entries = expect(log.get("entries"), list, "log.entries")
    steps: list[Step] = []
    left_out: dict[str, LeftOut] = {}
    origin = _origin(origin.rstrip("/"), "the origin") if origin else ""
    for index, entry in enumerate(entries):
        place = f"log.entries[{index}].request"
        request = expect(expect(entry, dict, place).get("request"), dict, place)
        url = expect(request.get("url"), str, f"{place}.url")
        method = expect(request.get("method"), str, f"{place}.method").upper()
        if not url.startswith(("http://", "https://")):
            left_out[url.partition(":")[0]] = LeftOut(url.partition(":")[0], "it is not HTTP")
            continue
        found = _origin(url, f"{place}.url")
        origin = origin or found
        if found != origin:
            left_out[found] = LeftOut(found, "it is another origin")
        elif method in _NOT_REPEATED:
            left_out[method] = LeftOut(method, "it is no request to a service")
        elif why := _went_wrong(entry):
            name = f"{method} {urlsplit(url).path or '/'}"
            left_out[name] = LeftOut(name, why)
        else:
            steps.append(_step(request, method, url, place, with_secrets=with_secrets))
    if not steps:
        raise UsageError(
            f"the file has no request to {origin or 'a service'}", cure="Name the origin of one"
        )
    return Imported(origin=origin, steps=told_apart(steps), left_out=tuple(left_out.values()))


def _went_wrong(entry: Mapping[str, Any]) -> str:
    """What became of a request when it was recorded, if that was nothing good and is known."""
    answer = entry.get("response")
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, int) or 0 < status < 400:
        return ""
    if status <= 0:
        return "it was not answered when it was recorded"
    return f"it was answered by {status} when it was recorded"


def _origin(url: str, place: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{place} cannot be read as a URL", cure="Correct it") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{place} is no http or https URL", cure="Correct it")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_usual = port in (None, 443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}")


def _step(
    request: Mapping[str, Any], method: str, url: str, place: str, *, with_secrets: bool
) -> Step:
    parts = urlsplit(url)
    path = literal(quote(parts.path or "/", safe=_KEPT))
    query = literal(quote(parts.query, safe=_KEPT))
    pairs = [
        _pair(one, f"{place}.headers[{index}]")
        for index, one in enumerate(expect(request.get("headers", []), list, f"{place}.headers"))
    ]
    headers = usable(pairs, with_secrets=with_secrets)
    body, kind = _body(request.get("postData"), f"{place}.postData")
    if body is not None and kind:
        headers.setdefault("content-type", kind)
    return _checked(
        place,
        method=method,
        path=f"{path}?{query}" if query else path,
        name=f"{method} {path}",
        headers=headers,
        body=body,
    )


def _checked(place: str, **given: Any) -> Step:
    try:
        return Step(**given)
    except UsageError as error:
        raise UsageError(f"{place}: {error.what}", cure=error.cure) from error


def _pair(node: Any, place: str) -> tuple[str, str]:
    pair = expect(node, dict, place)
    name = expect(pair.get("name"), str, f"{place}.name")
    return name, expect(pair.get("value"), str, f"{place}.value")


def _body(node: Any, place: str) -> tuple[bytes | None, str]:
    if node is None:
        return None, ""
    data = expect(node, dict, place)
    kind = expect(data.get("mimeType", ""), str, f"{place}.mimeType")
    text = data.get("text")
    if text is None or (text == "" and data.get("params")):
        if kind.startswith("multipart/"):
            raise UsageError(
                f"{place} is a form of files, and the file does not hold its text",
                cure="Remove the entry",
            )
        params = expect(data.get("params", []), list, f"{place}.params")
        pairs = [_pair(one, f"{place}.params[{index}]") for index, one in enumerate(params)]
        return (urlencode(pairs).encode() if pairs else None), kind
    text = expect(text, str, f"{place}.text")
    if data.get("encoding") == "base64":
        try:
            return base64.b64decode(text, validate=True), kind
        except binascii.Error as error:
            raise UsageError(f"{place}.text is no base64", cure="Correct it") from error
    return text.encode(), kind
