"""
Patterns: how a service asks, seen from what it asked. An ORM's habits are dear only at scale, so
each has to take a notable share of the time before it is told.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Evidence, StatementStats, TableStats
from keiko_perf.diagnosis.rules.statements import figures, is_query, notable, share_of
from keiko_perf.diagnosis.rules.writing import MIB, by_share, one_line
from keiko_perf.model import Finding, Gap, Text, say

LONG_LIST = 500
MANY_LENGTHS = 20
MANY_COLUMNS = 30
LEAST_CHILDREN = 1_000
_DOCS = "https://www.postgresql.org/docs/current"
_STAR = re.compile(r"^\s*select\s+(?:distinct\s+)?(?:\"?\w+\"?\.)?\*", re.I)
_SELECT = re.compile(r"^\s*select\b", re.I)
_FROM = re.compile(r"\bfrom\s+(?:only\s+)?((?:\"[^\"]+\"|\w+)(?:\.(?:\"[^\"]+\"|\w+))?)", re.I)
_OFFSET = re.compile(r"\boffset\s+(?:\$\d+|\d+|cast\()", re.I)
_GROUPS = re.compile(r"\b(?:group\s+by|select\s+distinct)\b", re.I)
_LIMIT = re.compile(r"\b(?:limit\s|fetch\s+first\b)", re.I)
_WHERE = re.compile(r"\bwhere\b", re.I)
_COUNT = re.compile(r"^\s*select\s+count\s*\(", re.I)
_BY_KEY = re.compile(r"=\s*(?:\$\d+|cast\(\$\d+)|\$\d+(?:::\w+| as \w+\))?\s*=\s*[\"\w]", re.I)
"""A relation that SQLAlchemy loads lazily has the value on the left: `$1::BIGINT = t.agent_id`."""
_LIST = re.compile(r"\bin\s*\(\s*(?:\$\d+|'[^']*'|\d+)\s*(?:,\s*(?:\$\d+|'[^']*'|\d+)\s*)*", re.I)


def select_star(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`patterns.select-star`: all columns of a table whose rows are long."""
    tables = {one.full_name.lower(): one for one in evidence.tables}
    for one, share in notable(evidence):
        named = _FROM.search(one.query) if _SELECT.match(one.query) else None
        table = tables.get(named[1].replace('"', "").lower()) if named else None
        if named is None or table is None or one.rows_per_call < 2 or not _is_long(table):
            continue
        if not _STAR.match(one.query) and _named(one.query[: named.start()]) < table.columns:
            continue
        yield _finding(
            "patterns.select-star",
            one,
            share,
            say(
                "a statement fetches all {columns:count} columns of {table}, whose rows are long",
                columns=table.columns,
                table=table.full_name,
            ),
            say(
                "Long values lie apart from their row and are fetched and unpacked one by one."
                " Name the columns that are needed; an ORM defers the others."
            ),
            link=f"{_DOCS}/storage-toast.html",
        )


def deep_offset(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`patterns.deep-offset`: the rows of all pages before are read and thrown away."""
    for one, share in notable(evidence):
        if not _OFFSET.search(one.query) or _GROUPS.search(one.query):
            continue  # who groups reads all of it for the first page as well
        blocks = (one.hit_blocks + one.read_blocks) / one.calls
        if blocks < 200 or blocks < 5 * max(one.rows_per_call, 1.0):
            continue
        yield _finding(
            "patterns.deep-offset",
            one,
            share,
            say(
                "a statement with OFFSET reads {blocks:count} blocks for {rows:number} rows",
                blocks=round(blocks),
                rows=one.rows_per_call,
            ),
            say(
                "All rows before the offset are read to be skipped, or the whole table for each"
                " page where no index has its order: keiko-perf db advise finds that one. Else"
                " begin a page after the last row of the one before: WHERE (key) > (last) ORDER BY"
                " key LIMIT n."
            ),
            link=f"{_DOCS}/queries-limit.html",
        )


def long_list(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`patterns.long-list`: an IN list of hundreds, or one of ever another length."""
    groups: defaultdict[str, list[StatementStats]] = defaultdict(list)
    for one in evidence.statements:
        if is_query(one.query) and _LIST.search(one.query):
            groups[_LIST.sub("in (…", one.query)[:500]].append(one)
    for group in groups.values():
        share = sum(share_of(one, evidence) for one in group)
        longest = max(_length(one) for one in group)
        if share < 0.05 or (longest < LONG_LIST and len(group) < MANY_LENGTHS):
            continue
        one = max(group, key=lambda one: one.total_s)
        yield _finding(
            "patterns.long-list",
            one,
            share,
            say("a statement has an IN list of up to {longest:count} values", longest=longest)
            if longest >= LONG_LIST
            else say("a statement comes with IN lists of {count:count} lengths", count=len(group)),
            say(
                "Each length is another statement to be parsed, planned and counted. Pass one"
                " array instead, = ANY($1), or join with unnest($1)."
            ),
            link=f"{_DOCS}/functions-comparisons.html",
        )


def count_per_page(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`patterns.count-per-page`: all rows are counted for each page that is shown."""
    pages = [one for one in evidence.statements if _LIMIT.search(one.query)]
    for one, share in notable(evidence, least_calls=20):
        table = _FROM.search(one.query)
        if not _COUNT.match(one.query) or table is None or one.mean_s < 0.005:
            continue
        beside = any(
            (named := _FROM.search(page.query)) is not None
            and named[1].lower() == table[1].lower()
            and 0.5 <= page.calls / one.calls <= 2
            for page in pages
        )
        if not beside:
            continue
        yield _finding(
            "patterns.count-per-page",
            one,
            share,
            say(
                "all rows of {table} are counted for each page of them, {mean_s:duration} a time",
                table=table[1],
                mean_s=one.mean_s,
            )
            if not _WHERE.search(one.query)
            else say(
                "all rows of a list in {table} are counted for each page of it,"
                " {mean_s:duration} a time",
                table=table[1],
                mean_s=one.mean_s,
            ),
            say(
                "A count reads every row that it counts, and the whole table where no index finds"
                " them. Ask for one row more than the page has to know of a next one, or show the"
                " planner's estimate."
            ),
            link="https://wiki.postgresql.org/wiki/Count_estimate",
        )


def n_plus_one(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`patterns.n-plus-one`: a statement is sent once for each row of another's answer."""
    queries = [one for one in evidence.statements if is_query(one.query)]
    parents = [one for one in queries if one.rows_per_call >= 5 and one.calls >= 5]
    for one, share in notable(evidence, least_calls=LEAST_CHILDREN, least_share=0.1):
        if one.query.lstrip()[:6].lower() != "select" or not _BY_KEY.search(one.query):
            continue
        parent = next((other for other in parents if _is_for_each_row(one, other)), None)
        if parent is None:
            continue
        yield _finding(
            "patterns.n-plus-one",
            one,
            share,
            say(
                "a statement is sent once for each of the {rows:number} rows of another one",
                rows=parent.rows_per_call,
            ),
            say(
                "Each time costs a journey to the server and back. Fetch them together: a JOIN, or"
                " the ORM's selectinload or prefetch, after the statement: {parent}",
                parent=one_line(parent.query)[:200],
            ),
            link=f"{_DOCS}/queries-table-expressions.html",
        )


def _is_for_each_row(child: StatementStats, parent: StatementStats) -> bool:
    if parent is child or child.calls < 5 * parent.calls:
        return False
    return 0.8 * parent.rows <= child.calls <= 1.2 * parent.rows


def _named(columns: str) -> int:
    """How many columns a SELECT names: an ORM names them all, where a person writes a star."""
    return 0 if "(" in columns else columns.count(",") + 1


def _is_long(table: TableStats) -> bool:
    is_apart = table.toast_bytes >= max(8 * MIB, 0.5 * table.size_bytes)
    return is_apart or table.columns >= MANY_COLUMNS


def _length(one: StatementStats) -> int:
    """How many values its longest list has; where the text was cut, as many as fit the rest."""
    longest: str = max(_LIST.findall(one.query), key=len)
    values = longest.count(",") + 1
    if one.is_whole or not one.query.endswith(longest):
        return values
    return round(values * (1 + (one.characters - len(one.query)) / len(longest)))


def _finding(
    code: str, one: StatementStats, share: float, summary: Text, explanation: Text, *, link: str
) -> Finding:
    return Finding(
        code=code,
        severity=by_share(share),
        subject=one_line(one.query),
        summary=summary,
        evidence=figures(one, share),
        explanation=explanation,
        link=link,
    )


RULES = (select_star, deep_offset, long_list, count_per_page, n_plus_one)
