"""
JSON of any depth: the standard parser recurses, and a plan can be nested deeper than it goes.
"""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(
    r'\s*(?:([{}\[\],:])|("(?:[^"\\]|\\.)*+"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))'
)


def parse(text: str) -> Any:
    """
    The value that *text* stands for.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        return _parse_without_recursion(text)


def _parse_without_recursion(text: str) -> Any:
    """Keeps the containers that are open in a list, and so goes as deep as memory does."""
    tokens = _Tokens(text)
    mark, value = tokens.next()
    result = _opened(mark, value, tokens)
    containers = [result] if mark else []
    while containers:
        container = containers[-1]
        mark, value = tokens.next()
        if container and mark == ",":
            mark, value = tokens.next()
        elif mark == ("}" if isinstance(container, dict) else "]"):
            containers.pop()
            continue
        elif container:
            raise tokens.wrong()
        if isinstance(container, dict):
            key = value
            if mark or not isinstance(key, str) or tokens.next()[0] != ":":
                raise tokens.wrong()
            mark, value = tokens.next()
            new = container[key] = _opened(mark, value, tokens)
        else:
            new = _opened(mark, value, tokens)
            container.append(new)
        if mark:
            containers.append(new)
    tokens.end()
    return result


def _opened(mark: str, value: Any, tokens: _Tokens) -> Any:
    """The value that begins with this token."""
    if mark not in ("", "{", "["):
        raise tokens.wrong()
    return {"{": {}, "[": []}.get(mark, value)


class _Tokens:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def next(self) -> tuple[str, Any]:
        """The next punctuation mark and None, or "" and a scalar."""
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            raise self.wrong()
        self._position = match.end()
        mark, scalar = match.groups()
        return (mark, None) if mark else ("", json.loads(scalar))

    def end(self) -> None:
        if self._text[self._position :].strip():
            raise self.wrong()

    def wrong(self) -> ValueError:
        return ValueError(f"no JSON from character {self._position} on")
