"""
Bitmap: what reading a whole table by an index costs that was tried on a sample of it.

The planner's own way to reckon a bitmap scan (`cost_bitmap_heap_scan`), with the table's real
pages and the rows that the sample's share makes of it. What the index alone costs is the sample's,
and for each row more what the planner reckons for an entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.diagnosis.pages import page_cost, pages_fetched
from keiko_perf.diagnosis.pricing.nodes import Node, nodes

_CPU_TUPLE_COST = 0.01
_CPU_INDEX_TUPLE_COST = 0.005
_CPU_OPERATOR_COST = 0.0025
_RECHECKED = 2.0
"""Conditions that each row is held against."""


@dataclass(frozen=True, slots=True)
class BitmapScan:
    """A scan on the sample: what the index costs, and how many rows it leads to."""

    index_cost: float
    rows: float


@dataclass(frozen=True, slots=True)
class Pages:
    """
    A table as a bitmap scan reads it.

    Attributes:
        pages: how many it has.
        seq_page_cost: the server's setting.
        random_page_cost: the server's setting.
    """

    pages: float
    seq_page_cost: float = 1.0
    random_page_cost: float = 4.0


def scan_by(plan: Node, index_name: str) -> BitmapScan | None:
    """The bitmap scan of a plan that uses an index; None if none does."""
    for node in nodes(plan):
        if node["Node Type"] == "Bitmap Heap Scan":
            source = node["Plans"][0]
            if any(one.get("Index Name") == index_name for one in nodes(source)):
                return BitmapScan(float(source["Total Cost"]), float(source["Plan Rows"]))
    return None


def whole_scan(sample: BitmapScan, times: float, table: Pages) -> float:
    """
    What the scan costs on the whole table.

    Args:
        sample: the scan of the sample.
        times: how many times as many rows the table has.
        table: its pages.
    """
    times = max(times, 1.0)
    rows = sample.rows * times
    pages = max(table.pages, 1.0)
    fetched = pages_fetched(rows, pages)
    each = page_cost(fetched, pages, following=table.seq_page_cost, random=table.random_page_cost)
    row_cost = _CPU_TUPLE_COST + _RECHECKED * _CPU_OPERATOR_COST
    more_entries = (rows - sample.rows) * _CPU_INDEX_TUPLE_COST
    return sample.index_cost + more_entries + fetched * each + rows * row_cost


def with_scan(cost: float, scan_before: float, scan_after: float) -> float:
    """
    What a plan costs when one of its scans is another one.

    A LIMIT ends a scan early: then the plan costs less than its scan, and as much less with the
    other one.
    """
    if scan_after >= scan_before or scan_before <= 0:
        return cost
    if cost < scan_before:
        return cost * scan_after / scan_before
    return cost - scan_before + scan_after
