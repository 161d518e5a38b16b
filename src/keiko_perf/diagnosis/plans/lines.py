"""
The single lines of EXPLAIN's text, each as the members that the JSON form has for it.

A title such as "Parallel Hash Left Join" becomes the node's type with its properties; a line such
as "Buffers: shared hit=5 read=2" becomes the figures in it. An unknown line keeps its own name.
"""

from __future__ import annotations

import re
from typing import Any

_JOIN = re.compile(
    r"^(?P<kind>Hash|Merge|Nested Loop)"
    r"(?: (?P<type>Left|Right|Full|Semi|Anti|Right Semi|Right Anti))?(?P<join> Join)?$"
)
_AGGREGATES = {
    "Aggregate": "Plain",
    "GroupAggregate": "Sorted",
    "HashAggregate": "Hashed",
    "MixedAggregate": "Mixed",
}
_WRITES = ("Insert", "Update", "Delete", "Merge")
_NAMED_AFTER_ON = ("Bitmap Index Scan",)
_ON_NO_TABLE = {
    "CTE Scan": "CTE Name",
    "WorkTable Scan": "CTE Name",
    "Function Scan": "Function Name",
    "Table Function Scan": "Table Function Name",
    "Subquery Scan": "Alias",
    "Values Scan": "Alias",
    "Named Tuplestore Scan": "Tuplestore Name",
}
_LISTS = ("Sort Key", "Presorted Key", "Group Key", "Output")
_BLOCKS = {"hit": "Hit", "read": "Read", "dirtied": "Dirtied", "written": "Written"}
_NUMBER = re.compile(r"^-?\d+(?:\.\d+)?$")


def of_title(title: str) -> dict[str, Any]:
    """What stands before the figures of a node."""
    said: dict[str, Any] = {}
    title, said["Parallel Aware"] = _without(title, "Parallel ")
    title, said["Async Capable"] = _without(title, "Async ")
    for mode in ("Partial", "Finalize"):
        title, is_so = _without(title, f"{mode} ")
        if is_so:
            said["Partial Mode"] = mode
    kind, on, rest = _cut(title)
    kind, using, index = kind.partition(" using ")
    if using:
        said["Index Name"] = _plain(index)
    kind, is_backward = _without_end(kind, " Backward")
    if "Index" in kind and "Scan" in kind and kind != "Bitmap Index Scan":
        said["Scan Direction"] = "Backward" if is_backward else "Forward"
    said |= _kind(kind)
    if on:
        said |= _subject(str(said["Node Type"]), rest)
    return said


def of_line(line: str) -> dict[str, Any]:
    """What a line beneath a node says."""
    worker = re.match(r"^Worker (\d+):\s*(.*)$", line)
    if worker:
        return {"Worker Number": int(worker[1])} | _worker(worker[2])
    name, colon, value = line.partition(":")
    if not colon:
        return {}
    return _said(name.strip(), value.strip())


def _said(name: str, value: str) -> dict[str, Any]:
    if name in ("Buffers", "Local Buffers"):
        return _buffers(value)
    if name == "I/O Timings":
        return _timings(value)
    if name in ("Sort Method", "Sort Methods"):
        return _sort(value)
    if name in ("Full-sort Groups", "Pre-sorted Groups"):
        return {name: _groups(value)}
    if name in ("Buckets", "Batches", "Planned Partitions", "Hits", "Storage"):
        return _memory(f"{name}: {value}")
    if name == "Heap Blocks":
        figures = dict(re.findall(r"(exact|lossy)=(\d+)", value))
        return {
            f"{key.title()} Heap Blocks": int(figures.get(key, 0)) for key in ("exact", "lossy")
        }
    if name in _LISTS:
        return {name: _listed(value)}
    if _NUMBER.match(value):
        return {name: float(value) if "." in value else int(value)}
    return {name: value}


def _kind(kind: str) -> dict[str, Any]:
    join = _JOIN.match(kind)
    if join and (join["join"] or join["kind"] == "Nested Loop"):
        name = join["kind"] if join["kind"] == "Nested Loop" else f"{join['kind']} Join"
        return {"Node Type": name, "Join Type": join["type"] or "Inner"}
    if kind in _AGGREGATES:
        return {"Node Type": "Aggregate", "Strategy": _AGGREGATES[kind]}
    if kind in _WRITES:
        return {"Node Type": "ModifyTable", "Operation": kind}
    if kind.startswith(("HashSetOp", "SetOp")):
        return {"Node Type": "SetOp", "Strategy": "Hashed" if kind.startswith("Hash") else "Sorted"}
    if kind.startswith("Custom Scan ("):
        return {"Node Type": "Custom Scan", "Custom Plan Provider": kind[13:].rstrip(")")}
    if kind.startswith("Foreign ") and kind != "Foreign Scan":
        return {"Node Type": "Foreign Scan", "Operation": kind.removeprefix("Foreign ")}
    return {"Node Type": kind}


def _subject(kind: str, rest: str) -> dict[str, Any]:
    first, alias = _first_name(rest)
    if kind in _NAMED_AFTER_ON:
        return {"Index Name": _plain(first)}
    schema, dot, name = first.rpartition(".")
    if kind in _ON_NO_TABLE:
        return {_ON_NO_TABLE[kind]: _plain(name or first), "Alias": _plain(alias or name or first)}
    said = {"Relation Name": _plain(name), "Alias": _plain(alias or name)}
    return said | ({"Schema": _plain(schema)} if dot else {})


def _first_name(text: str) -> tuple[str, str]:
    """A name, whose quotes may hold spaces, and what comes after it."""
    match = re.match(r'^((?:"(?:[^"]|"")*"|[^\s"])+)\s*(.*)$', text)
    return (match[1], match[2]) if match else (text, "")


def _plain(name: str) -> str:
    """A name without its quotes."""
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1].replace('""', '"')
    return name


def _cut(title: str) -> tuple[str, bool, str]:
    """What the node does, whether it does it on something, and on what."""
    quoted = title.find('"')
    at = title.find(" on ")
    if at < 0 or (0 <= quoted < at and title.find('"', quoted + 1) > at):
        return title, False, ""
    return title[:at], True, title[at + 4 :]


def _without(text: str, prefix: str) -> tuple[str, bool]:
    return text.removeprefix(prefix), text.startswith(prefix)


def _without_end(text: str, suffix: str) -> tuple[str, bool]:
    return text.removesuffix(suffix), text.endswith(suffix)


def _buffers(value: str) -> dict[str, Any]:
    """`shared hit=5 read=2, temp read=1 written=1`."""
    said: dict[str, Any] = {}
    for part in value.split(","):
        where, _, figures = part.strip().partition(" ")
        for key, number in re.findall(r"(\w+)=(\d+)", figures):
            if key in _BLOCKS:
                said[f"{where.title()} {_BLOCKS[key]} Blocks"] = int(number)
    return said


def _timings(value: str) -> dict[str, Any]:
    """`shared read=0.1 write=0.2, temp read=…`, and without a word in front before 15."""
    said: dict[str, Any] = {}
    for part in value.split(","):
        where = "Temp" if part.strip().startswith("temp") else "Shared"
        where = "Local" if part.strip().startswith("local") else where
        for key, number in re.findall(r"(read|write)=([\d.]+)", part):
            said[f"{where} I/O {key.title()} Time"] = float(number)
    return said


def _sort(value: str) -> dict[str, Any]:
    """`external merge  Disk: 123kB`."""
    match = re.match(r"^(.*?)\s{2,}(?:\w+ )?(Memory|Disk): (\d+)kB", value)
    if match is None:
        return {"Sort Method": value}
    return {
        "Sort Method": match[1],
        "Sort Space Type": match[2],
        "Sort Space Used": int(match[3]),
    }


def _groups(value: str) -> dict[str, Any]:
    """`5  Sort Method: quicksort  Average Memory: 27kB  Peak Memory: 27kB`."""
    count = re.match(r"^(\d+)", value)
    said: dict[str, Any] = {"Group Count": int(count[1]) if count else 0}
    for kind, average, peak in re.findall(
        r"Average (Memory|Disk): (\d+)kB\s+Peak (?:Memory|Disk): (\d+)kB", value
    ):
        said[f"Sort Space {kind}"] = {
            "Average Sort Space Used": int(average),
            "Peak Sort Space Used": int(peak),
        }
    return said


def _memory(line: str) -> dict[str, Any]:
    """The lines of a hash table, of a group by hash, and of Memoize."""
    found = {name.strip(): value for name, value in re.findall(r"([A-Z][\w -]*?): (\w+)", line)}
    said: dict[str, Any] = {}
    is_hash = "Buckets" in found
    names = {
        "Buckets": "Hash Buckets",
        "Batches": "Hash Batches" if is_hash else "HashAgg Batches",
        "Planned Partitions": "Planned Partitions",
        "Hits": "Cache Hits",
        "Misses": "Cache Misses",
        "Evictions": "Cache Evictions",
        "Overflows": "Cache Overflows",
        "Memory Usage": "Peak Memory Usage",
        "Disk Usage": "Disk Usage",
        "Storage": "Storage",
        "Maximum Storage": "Maximum Storage",
    }
    for name, value in found.items():
        digits = re.match(r"^(\d+)", value)
        if name in names:
            said[names[name]] = int(digits[1]) if digits else value
    return said


def _worker(rest: str) -> dict[str, Any]:
    """`actual time=0.1..0.2 rows=3 loops=1`, or a line as a node has it."""
    actual = re.search(r"time=([\d.]+)\.\.([\d.]+) rows=([\d.]+) loops=(\d+)", rest)
    if actual:
        return {
            "Actual Startup Time": float(actual[1]),
            "Actual Total Time": float(actual[2]),
            "Actual Rows": float(actual[3]),
            "Actual Loops": float(actual[4]),
        }
    return of_line(rest)


def _listed(value: str) -> list[str]:
    """Expressions between commas, of which those in brackets or quotes part nothing."""
    parts, depth, quote, start = [], 0, "", 0
    for at, character in enumerate(value):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(value[start:at].strip())
            start = at + 1
    return [*parts, value[start:].strip()]
