"""
Report → text: one pure function a format.

A format's module is imported when it is first asked for: Rich alone takes longer to import
than most reports to write.
"""

from __future__ import annotations

from keiko_perf.errors import UsageError
from keiko_perf.model import Report
from keiko_perf.render.language import LANGUAGES, known, phrase

FORMATS = ("text", "json", "html", "markdown", "junit")
"""What `render` makes of a report."""

__all__ = ["FORMATS", "LANGUAGES", "phrase", "render"]


def render(
    report: Report, format: str, *, lang: str = "en", color: bool = False, width: int = 100
) -> str:
    """
    The report in one of `FORMATS`.

    Args:
        report: what to show.
        format: one of `FORMATS`.
        lang: the language of what people read; JSON is the same in each.
        color: of `text`: whether terminal colours are written.
        width: of `text`: columns; SQL is never broken or cut, however wide.

    Raises:
        UsageError: the format or the language is not known.
    """
    known(lang)
    if format == "text":
        from keiko_perf.render.as_text import as_text

        return as_text(report, lang, color=color, width=width)
    if format == "json":
        from keiko_perf.render.as_json import as_json

        return as_json(report)
    if format == "html":
        from keiko_perf.render.as_html import as_html

        return as_html(report, lang)
    if format == "markdown":
        from keiko_perf.render.as_markdown import as_markdown

        return as_markdown(report, lang)
    if format == "junit":
        from keiko_perf.render.as_junit import as_junit

        return as_junit(report, lang)
    raise UsageError(f"there is no format {format!r}", cure=f"Take one of {', '.join(FORMATS)}")
