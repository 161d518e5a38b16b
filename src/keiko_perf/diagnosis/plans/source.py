"""
What a plan comes in: JSON or text, alone, as psql draws it, or in auto_explain's log lines.

Everything is brought to the values that EXPLAIN (FORMAT JSON) stands for. YAML and XML are refused
with how to get JSON instead.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from keiko_perf.diagnosis.plans import text as plan_text
from keiko_perf.diagnosis.plans.json_text import parse
from keiko_perf.diagnosis.plans.refusal import no_plan

MOST_CHARACTERS = 200_000_000

_DURATION = re.compile(r"duration: ([\d.]+) ms\s+plan:")
_FORMATS = "Ask for EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON), or for the text that is its default"
_TITLE = "QUERY PLAN"  # psql's, above the lines
_RULER = re.compile(r"^[-─+|\s]*-{5,}[-─+|\s]*$")
_ROWS = re.compile(r"^\(\d+ (?:rows?|Zeilen?)\)$")
_CONTINUED = re.compile(r"[ \t]*\+?[ \t]*$", re.MULTILINE)


def explained(text: str | bytes) -> tuple[dict[str, Any], ...]:
    """
    The plans in a text, each as the object that EXPLAIN's JSON holds.

    Raises:
        UsageError: there is none, or it was cut off or changed by hand.
    """
    text = _decoded(text)
    if _DURATION.search(text):
        found = tuple(_logged(text))
        if not found:
            raise no_plan("the log lines hold no whole plan")
        return found
    return (_one(text),)


def is_plan(text: str | bytes) -> bool:
    """Whether a text is meant as a plan, if perhaps a broken one, and not as a statement."""
    start = _decoded(text)
    if start.startswith(("[", "{", "<", "```", "- Plan", "QUERY PLAN")):
        return True
    return bool(_DURATION.search(start)) or plan_text.looks_like_text(start)


def _decoded(text: str | bytes) -> str:
    if isinstance(text, bytes):
        encoding = "utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") and len(text) > 2 else "utf-8"
        text = text.decode(encoding, errors="replace")
    if len(text) > MOST_CHARACTERS:
        raise no_plan(f"it is longer than {MOST_CHARACTERS:,} characters")
    return text.strip().lstrip("\ufeff").strip()


def _one(text: str) -> dict[str, Any]:
    """The plan in a text that holds but one."""
    text = _without_fence(text)
    if text.startswith("<"):
        raise no_plan("it is XML", _FORMATS)
    if not text.startswith(("[", "{")):
        drawn = _undrawn(text)
        if drawn.startswith("<"):
            raise no_plan("it is XML", _FORMATS)
        if not drawn.startswith(("[", "{")):
            return _of_text(drawn)
        text = drawn
    try:
        return whole(parse(text))
    except ValueError as error:
        raise no_plan(f"it is cut off or was changed: {error}") from None


def whole(value: object) -> dict[str, Any]:
    """
    The object that holds the plan.

    Raises:
        UsageError: there is none.
    """
    # A client hands the answer on with its rows and columns around it.
    for _ in range(4):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, dict) and "QUERY PLAN" in value:
            value = value["QUERY PLAN"]
        elif isinstance(value, str) and value.lstrip().startswith(("[", "{")):
            value = parse(value)
        else:
            break
    if isinstance(value, dict) and "Plan" not in value and "Node Type" in value:
        value = {"Plan": value}
    if isinstance(value, list) and len(value) > 1:
        raise no_plan("it holds several plans", "Pass one statement's plan")
    if not isinstance(value, dict) or not isinstance(value.get("Plan"), dict):
        raise no_plan("there is no plan in it")
    return value


def _of_text(text: str) -> dict[str, Any]:
    if re.search(r"^-? *(?:\"?Plan\"?|Node Type): *", text, re.MULTILINE) and "(cost=" not in text:
        raise no_plan("it is YAML, not JSON", _FORMATS)
    if not plan_text.looks_like_text(text):
        raise no_plan("it is not JSON, nor EXPLAIN's text")
    return plan_text.explained(text)


def _without_fence(text: str) -> str:
    """A plan as it stands in an issue, between three backticks."""
    if not text.startswith("```"):
        return text
    lines = text.splitlines()[1:]
    return "\n".join(line for line in lines if not line.startswith("```")).strip()


def _undrawn(text: str) -> str:
    """Without what psql, pgAdmin and others draw around a plan."""
    lines = [line.rstrip() for line in text.splitlines()]
    lines = [line for line in lines if not _is_drawn(line)]
    if _are_between("|", lines):
        lines = [line[1:-1].rstrip() for line in lines]
        lines = [line for line in lines if line.strip() != _TITLE]
    if _are_between('"', lines):
        lines = [line[1:-1].replace('""', '"') for line in lines]
    plan = "\n".join(lines)
    if plan.lstrip().startswith(("[", "{", "<")):
        return _CONTINUED.sub("", plan).strip()
    lines = [line[:-1].rstrip() if line.endswith("+") else line for line in lines]
    return "\n".join(lines).strip("\n")


def _is_drawn(line: str) -> bool:
    """A title, a ruler, or the number of rows beneath."""
    return bool(line.strip() == _TITLE or _RULER.match(line) or _ROWS.match(line.strip()))


def _are_between(mark: str, lines: list[str]) -> bool:
    """Whether each line stands between two marks; there is one at least."""
    return bool(lines) and all(
        line.startswith(mark) and line.endswith(mark) for line in lines if line
    )


def _logged(text: str) -> Iterator[dict[str, Any]]:
    """What auto_explain wrote, from a log in any of the server's three forms."""
    for message in _messages(text):
        match = _DURATION.search(message)
        if match is None:
            continue
        body = message[match.end() :].strip("\n")
        one = whole(parse(body)) if body.lstrip().startswith(("[", "{")) else _entry(body)
        yield {"Execution Time": float(match[1])} | one


def _entry(body: str) -> dict[str, Any]:
    """An entry in text: the statement first, then the plan."""
    query: list[str] = []
    rest: list[str] = []
    for line in body.splitlines():
        (rest if rest or re.search(r"\(cost=[\d.]+\.\.|\(actual ", line) else query).append(line)
    found = plan_text.explained("\n".join(rest))
    said = "\n".join(line.strip() for line in query).removeprefix("Query Text:").strip()
    return {"Query Text": said} | found if said else found


def _messages(text: str) -> Iterator[str]:
    """The log's entries that hold a plan."""
    if text.startswith("{") and '"message"' in text.splitlines()[0]:
        for line in text.splitlines():
            entry = parse(line)
            if isinstance(entry, dict):
                yield str(entry.get("message", ""))
        return
    if re.search(r',"duration: [\d.]+ ms\s+plan:', text):
        csv.field_size_limit(MOST_CHARACTERS)
        for row in csv.reader(io.StringIO(text)):
            yield from (field for field in row if _DURATION.match(field))
        return
    starts = [match.start() for match in _DURATION.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield _continued(text[start:end])


def _continued(entry: str) -> str:
    """An entry without the lines of others behind it: its own begin with a tab or a blank."""
    lines = entry.splitlines()
    kept = [lines[0]]
    for line in lines[1:]:
        if line and not line[0].isspace() and line[0] not in "{}[]":
            break
        kept.append(line)
    return "\n".join(kept)
