"""
Output: the options that every command has, and how its report leaves the program.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from keiko_perf.config import load_settings
from keiko_perf.errors import Unavailable
from keiko_perf.model import Report
from keiko_perf.render import render

INTERRUPTED = 130
"""What a shell reports for a program that SIGINT ended."""

_WIDTH_WITHOUT_TERMINAL = 100


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    HTML = "html"
    MARKDOWN = "markdown"
    JUNIT = "junit"


class Language(StrEnum):
    ENGLISH = "en"
    GERMAN = "de"


FormatOption = Annotated[Format, typer.Option("--format", help="The form of the report.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the report to this file.")
]
LanguageOption = Annotated[
    Language | None, typer.Option("--lang", help="The language of the report: en or de.")
]


def progress_console() -> Console:
    """Where progress is shown: standard error, so that a report can be piped."""
    return Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Destination:
    """What the three options of every command say together."""

    format: Format = Format.TEXT
    file: Path | None = None
    language: Language | None = None

    @property
    def lang(self) -> str:
        """The language that was asked for, else that of the settings."""
        return self.language.value if self.language else load_settings().lang


def show(report: Report, destination: Destination) -> int:
    """
    Print the report, or write it to its file; return the exit code that its status has.

    Raises:
        Unavailable: the file cannot be written.
    """
    if destination.file is not None:
        save(report, destination.file, format=destination.format, lang=destination.lang)
        return report.status.exit_code
    console = Console()
    text = render(
        report,
        destination.format.value,
        lang=destination.lang,
        # A terminal that says TERM=dumb knows no colours.
        color=console.color_system is not None and "NO_COLOR" not in os.environ,
        width=console.width if console.is_terminal else _WIDTH_WITHOUT_TERMINAL,
    )
    _print(text if text.endswith("\n") else f"{text}\n")
    return report.status.exit_code


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(as_far_as(encoding, text))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough, as `| head` has. Python would complain once more at
        # its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Unavailable(
            f"the report cannot be printed: {error.strerror}",
            cure="Make room where the output goes, or write it elsewhere with --output",
        ) from error


def as_far_as(encoding: str, text: str) -> str:
    """*text* with the signs that *encoding* has; a sign that it lacks is one that is like it."""
    try:
        return text.encode(encoding).decode(encoding)
    except UnicodeEncodeError:
        plain = "".join(one if _has(encoding, one) else _PLAIN.get(one, "?") for one in text)
        return plain.encode(encoding, "replace").decode(encoding)


def _has(encoding: str, sign: str) -> bool:
    try:
        sign.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


_PLAIN = dict(
    zip(
        "✓✗•·─━│┃├└╰…←×≈–—−÷∞µ\u2018\u2019“”▁▂▃▄▅▆▇█░▒▓\u00a0\u202f\u2009",
        "+x**--||||`.<x~---/~u''\"\"_.:-=+*#.:#   ",
        strict=True,
    )
) | {
    "→": "->", "≤": "<=", "≥": ">=",
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue",
}  # fmt: skip
"""What stands for a sign that a terminal does not have."""


def check_writable(file: Path) -> None:
    """
    Find out before long work whether *file* can be written after it.

    Raises:
        Unavailable: it cannot.
    """
    place = file if file.exists() and not file.is_file() else file.parent
    if file.is_dir():
        raise _cannot_write(file, "it is a folder")
    if not os.access(place, os.W_OK):
        raise _cannot_write(file, "no folder that may be written to holds it")


def save(report: Report, file: Path, *, format: Format, lang: str) -> None:
    """
    Write the report to *file*, whole or not at all.

    Raises:
        Unavailable: it cannot be written.
    """
    if file.is_dir():
        raise _cannot_write(file, "it is a folder")
    text = render(report, format.value, lang=lang)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        if file.exists() and not file.is_file():  # a pipe or a device is written, not replaced
            file.write_text(text, encoding="utf-8")
            return
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "Free some room there, or name a file elsewhere" if is_full else _WHERE
        raise _cannot_write(file, error.strerror or "the system refuses", cure) from error


_WHERE = "Name a file in a folder that exists and that you may write to"


def _cannot_write(file: Path, why: str, cure: str = _WHERE) -> Unavailable:
    return Unavailable(f"the report cannot be written to {file}: {why}", cure=cure)
