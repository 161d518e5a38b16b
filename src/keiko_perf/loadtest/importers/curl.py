"""
A curl command line, such as a browser copies it, as one step.

What curl would send is sent. Options that only change what is printed are passed over; any other
option that is not known is refused, since without it another request would be made.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlsplit

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.importers.imported import Imported, literal, usable
from keiko_perf.loadtest.plan import Step

_KEPT = "/?%&=:@!$'()*+,;~-._[]"
_WITH_VALUE = {
    "-A": "--user-agent",
    "-H": "--header",
    "-X": "--request",
    "-b": "--cookie",
    "-d": "--data",
    "-e": "--referer",
    "-u": "--user",
    "-m": "--max-time",
    "-o": "--output",
    "-w": "--write-out",
}
_FLAGS = {
    "-G": "--get",
    "-I": "--head",
    "-L": "--location",
    "-S": "--show-error",
    "-f": "--fail",
    "-g": "--globoff",
    "-i": "--include",
    "-k": "--insecure",
    "-s": "--silent",
    "-v": "--verbose",
    "-#": "--progress-bar",
}
_LONG_WITH_VALUE = {
    *_WITH_VALUE.values(),
    "--connect-timeout",
    "--data-ascii",
    "--data-binary",
    "--data-raw",
    "--data-urlencode",
    "--json",
    "--url",
}
_LONG_FLAGS = {*_FLAGS.values(), "--compressed", "--http1.1", "--no-progress-meter", "--fail-early"}
_CURE = "Remove it, or pass the request by the options of `keiko-perf load run`"


@dataclass(slots=True)
class _Line:
    """What the words of a command line say."""

    method: str = ""
    urls: list[str] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    data: list[str] = field(default_factory=list)
    default_kind: str = ""
    default_accept: str = ""
    is_get: bool = False
    is_head: bool = False
    verify: bool = True


def from_curl(command: str) -> Imported:
    """
    The request of a curl command line.

    Raises:
        UsageError: it is none, has several URLs, or an option that is not known.
    """
    line = _Line()
    for option, value in _options(_words(command)):
        _take(line, option, value)
    if len(line.urls) != 1:
        raise UsageError(
            f"the curl command line has {len(line.urls)} URLs", cure="Give exactly one"
        )
    origin, path = _split(line.urls[0])
    body: bytes | None = "&".join(line.data).encode() if line.data else None
    if line.is_get and body is not None:
        path += ("&" if "?" in path else "?") + quote(body.decode(), safe=_KEPT)
        body = None
    headers = usable(line.headers, with_secrets=True)
    if body is not None and line.default_kind:
        headers.setdefault("content-type", line.default_kind)
    if line.default_accept:
        headers.setdefault("accept", line.default_accept)
    headers = {name: value for name, value in headers.items() if name not in line.removed}
    method = line.method or ("HEAD" if line.is_head else "GET" if body is None else "POST")
    path = literal(path)
    step = Step(
        method=method,
        path=path,
        name=f"{method} {path.partition('?')[0]}",
        headers=headers,
        body=body,
    )
    return Imported(origin=origin, steps=(step,), verify=line.verify)


def _words(command: str) -> list[str]:
    try:
        # A line that goes on after a backslash, as browsers copy it.
        words = shlex.split(command.replace("\\\r\n", " ").replace("\\\n", " "))
    except ValueError as error:
        raise UsageError(
            f"the curl command line cannot be read: {error}", cure="Close its quotes"
        ) from error
    if not words or words[0].rpartition("/")[2] not in ("curl", "curl.exe"):
        raise UsageError("the command line is none of curl", cure="Begin it with curl")
    return words[1:]


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Each option with its value, flags with none, and URLs as `--url`."""
    left = iter(words)
    for word in left:
        if word == "--":
            yield from (("--url", one) for one in left)
        elif word.startswith("--"):
            if word in _LONG_WITH_VALUE:
                yield word, _next(left, word)
            elif word in _LONG_FLAGS:
                yield word, ""
            else:
                raise _unknown(word)
        elif word.startswith("-") and len(word) > 1:
            yield from _short(word, left)
        else:
            yield "--url", word


def _short(word: str, left: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Short options may stand together, and their value may stand with the last of them."""
    for at in range(1, len(word)):
        option = f"-{word[at]}"
        if option in _WITH_VALUE:
            yield _WITH_VALUE[option], word[at + 1 :] or _next(left, option)
            return
        if option not in _FLAGS:
            raise _unknown(option)
        yield _FLAGS[option], ""


def _take(line: _Line, option: str, value: str) -> None:
    if option == "--url":
        line.urls.append(value)
    elif option == "--request":
        line.method = value.upper()
    elif option == "--header":
        _take_header(line, value)
    elif option in ("--data", "--data-ascii", "--data-binary", "--data-raw", "--json"):
        _refuse_file(option, value, is_raw=option == "--data-raw")
        line.data.append(value)
        line.default_kind = line.default_kind or "application/x-www-form-urlencoded"
        if option == "--json":
            line.default_kind = line.default_accept = "application/json"
    elif option == "--data-urlencode":
        line.data.append(_encoded(value))
        line.default_kind = line.default_kind or "application/x-www-form-urlencoded"
    elif option == "--user":
        secret = base64.b64encode(value.encode()).decode()
        line.headers.append(("authorization", f"Basic {secret}"))
    elif option == "--cookie":
        if "=" not in value:
            raise UsageError("the cookies are in a file", cure="Write them as -b 'name=value'")
        line.headers.append(("cookie", value))
    elif option in ("--user-agent", "--referer"):
        line.headers.append((option[2:], value))
    elif option == "--compressed":
        line.headers.append(("accept-encoding", "gzip"))
    elif option == "--get":
        line.is_get = True
    elif option == "--head":
        line.is_head = True
    elif option == "--insecure":
        line.verify = False


def _take_header(line: _Line, text: str) -> None:
    name, colon, value = text.partition(":")
    if colon and value.strip():
        # A later option of the same name is what counts for curl's own defaults.
        line.headers.append((name.strip(), value.strip()))
    elif colon:
        line.removed.add(name.strip().lower())
    elif text.endswith(";"):
        line.headers.append((text[:-1].strip(), ""))
    else:
        # It may be a secret that lost its name, so it is not repeated.
        raise UsageError("a header without a colon", cure="Write it as -H 'Name: value'")


def _refuse_file(option: str, value: str, *, is_raw: bool) -> None:
    if value.startswith("@") and not is_raw:
        raise UsageError(
            f"{option} reads the body from {value[1:]}", cure="Write the body into the command line"
        )


def _encoded(value: str) -> str:
    """curl's forms: `content`, `=content`, `name=content`."""
    name, equals, content = value.partition("=")
    if equals:
        return f"{name}={quote_plus(content)}" if name else quote_plus(content)
    if "@" in value:
        _refuse_file("--data-urlencode", value[value.index("@") :], is_raw=False)
    return quote_plus(value)


def _split(url: str) -> tuple[str, str]:
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(
            "the URL of the curl command line cannot be read", cure="Correct it"
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("the curl command line has no http or https URL", cure="Correct it")
    if parts.username is not None:
        raise UsageError("the URL holds a user or a password", cure="Give them with -u")
    query = f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}", quote(parts.path or "/", safe=_KEPT) + query


def _next(left: Iterator[str], option: str) -> str:
    for value in left:
        return value
    raise UsageError(f"{option} of curl lacks its value", cure="Add it")


def _unknown(option: str) -> UsageError:
    return UsageError(f"the option {option} of curl is not known", cure=_CURE)
