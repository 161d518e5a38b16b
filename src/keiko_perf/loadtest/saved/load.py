"""
Saved load: what was asked for, in JSON's types, as a part of a saved result.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from typing import Any

from keiko_perf.loadtest.pacer import (
    ConstantRate,
    Load,
    Poisson,
    Replay,
    Stage,
    Stages,
    Users,
)
from keiko_perf.model.varint import Reader, write_varint


def load_to_dict(load: Load) -> dict[str, Any]:
    """The load in JSON's types; a replay's distances are packed, some two bytes each."""
    if isinstance(load, ConstantRate):
        return {"kind": "constant", "per_s": load.per_s}
    if isinstance(load, Poisson):
        return {"kind": "poisson", "per_s": load.per_s, "seed": load.seed}
    if isinstance(load, Users):
        return {"kind": "users", "count": load.count, "think_s": load.think_s}
    if isinstance(load, Replay):
        return {"kind": "replay", "count": load.count, "distances_us": _packed(load)}
    stages = [{"duration_s": stage.duration_s, "per_s": stage.per_s} for stage in load.stages]
    return {"kind": "stages", "start_per_s": load.start_per_s, "stages": stages}


def load_from_dict(document: Mapping[str, Any]) -> Load:
    """
    Undo `load_to_dict`.

    Raises:
        KeyError, TypeError, ValueError: it is no such document.
    """
    kind = document["kind"]
    if kind == "constant":
        return ConstantRate(float(document["per_s"]))
    if kind == "poisson":
        return Poisson(float(document["per_s"]), int(document["seed"]))
    if kind == "users":
        return Users(int(document["count"]), float(document["think_s"]))
    if kind == "replay":
        return Replay(_unpacked(document["distances_us"], int(document["count"])))
    if kind != "stages":
        raise ValueError(f"load of the unknown kind {kind!r}")
    stages = (Stage(float(one["duration_s"]), float(one["per_s"])) for one in document["stages"])
    return Stages(tuple(stages), float(document["start_per_s"]))


def _packed(load: Replay) -> str:
    out = bytearray()
    for before_us, after_us in pairwise(round(one * 1e6) for one in load.instants_s):
        write_varint(out, after_us - before_us)
    return base64.b64encode(out).decode()


def _unpacked(text: str, count: int) -> Iterator[float]:
    reader = Reader(base64.b64decode(text, validate=True), 0)
    distances_us = (reader.varint() for _ in range(count - 1))
    return (instant_us / 1e6 for instant_us in accumulate(distances_us, initial=0))
