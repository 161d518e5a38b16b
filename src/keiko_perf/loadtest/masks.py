"""
Masks: how a request is named and shown without the secrets in it.
"""

from __future__ import annotations

import re

MASK = "***"

_SECRET = re.compile(
    r"auth|cookie|token|secret|passw|credential|session|api[-_]?key|signature", re.I
)
_JSON_SECRET = re.compile(
    rf'("[^"]*(?:{_SECRET.pattern})[^"]*"\s*:\s*)("(?:[^"\\]|\\.)*"|[^\s,}}\]]+)', re.I
)
_FORM_SECRET = re.compile(rf"((?:^|[?&])[^=&]*(?:{_SECRET.pattern})[^=&]*=)[^&]*", re.I)
_SHOWN_BODY = 500


def masked_header(name: str, value: str) -> str:
    """The value of a header, unless its name says that it is a secret."""
    return MASK if _SECRET.search(name) else value


def masked_path(path: str) -> str:
    """A path whose query shows no secret."""
    path, mark, query = path.partition("?")
    return path + _FORM_SECRET.sub(rf"\g<1>{MASK}", f"{mark}{query}")


def masked_body(body: bytes) -> str:
    """A body as text; one that is long or no text is only counted."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"({len(body)} bytes)"
    if len(text) > _SHOWN_BODY:
        return f"({len(body)} bytes)"
    text = _JSON_SECRET.sub(rf'\g<1>"{MASK}"', text)
    return _FORM_SECRET.sub(rf"\g<1>{MASK}", text)
