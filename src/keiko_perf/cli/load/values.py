"""
Values: what an option says, read into what a plan takes. What cannot be read is refused with the
form that it should have; what may be a secret is never repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keiko_perf.errors import UsageError


def split_url(url: str) -> tuple[str, str]:
    """The base URL and the path of a URL; a URL without a scheme is taken for http."""
    if "://" not in url:
        url = f"http://{url}"
    scheme, _, rest = url.partition("://")
    end = min((at for sign in "/?#" if (at := rest.find(sign)) >= 0), default=len(rest))
    path = rest[end:].partition("#")[0]
    return f"{scheme}://{rest[:end]}", path if path.startswith("/") else f"/{path}"


def headers(given: Iterable[str]) -> dict[str, str]:
    """
    Read `Name: value`, several times.

    Raises:
        UsageError: one has no colon. It is not repeated.
    """
    found = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon:
            # It may be a secret that lost its name, so it is not repeated.
            raise UsageError("a header without a colon", cure="Write it as 'Name: value'")
        found[name.strip().lower()] = value.strip()
    return found


def json_value(text: str) -> Any:
    """
    Read JSON, or the file that `@FILE` names.

    Raises:
        UsageError: the file cannot be read, or it is no JSON.
    """
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the body cannot be read from {text[1:]}", cure="Name a file of JSON in UTF-8"
            ) from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"--json is no JSON: {error}", cure="Quote it for the shell") from error
