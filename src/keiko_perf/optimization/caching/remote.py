"""
What a cache outside of the process keeps of a key: its name there, and a record.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from keiko_perf.errors import UsageError

_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    Attributes:
        good_until: seconds since 1970, by the clocks of all who share the cache; None: for ever.
        load_s: how long it took to load.
        error: the name of the error that says that there is nothing; None for a value.
        tokens: what its tags, and the whole cache, were at when it began to be loaded.
        body: the value as bytes, or the error's text.
    """

    good_until: float | None
    load_s: float
    error: str | None
    tokens: Mapping[str, str]
    body: bytes

    def to_bytes(self) -> bytes:
        head = [1, self.good_until, self.load_s, self.error, dict(self.tokens)]
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + self.body

    @classmethod
    def of(cls, kept: bytes) -> Record:
        """
        Raises:
            ValueError: these bytes are no record of this version.
        """
        head, _, body = kept.partition(b"\n")
        read: Any = json.loads(head)
        if not isinstance(read, list) or len(read) != 5 or read[0] != 1:
            raise ValueError("no record of this version")
        _, good_until, load_s, error, tokens = read
        return cls(good_until=good_until, load_s=load_s, error=error, tokens=tokens, body=body)


def name_of(key: Hashable) -> str:
    """
    *key* as text that is the same in all processes, and another for each other key.

    Raises:
        UsageError: it is made of objects that are the same in no other process.
    """
    name = f"s:{key}" if isinstance(key, str) else f"k:{_said(key)}"
    if len(name) <= _LONGEST_NAME and name.isprintable():
        return name
    return "h:" + blake2b(name.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def _said(key: object) -> str:
    if isinstance(key, tuple):
        return "(" + ",".join(map(_said, key)) + ")"
    if key is None or type(key) in (str, int, float, bool, bytes):
        return repr(key)
    if isinstance(key, type):
        return f"{key.__module__}.{key.__qualname__}"
    raise UsageError(
        f"a key with {type(key).__name__} in it is another one in each process",
        cure="Make keys of strings, numbers, and tuples of them; of a method give @cached(key=…)",
    )
