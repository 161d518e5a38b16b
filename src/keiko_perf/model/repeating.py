"""
Repeating: looks at some of the questions that one subject is asked, and plays caches beside it.

It looks at all that is asked of some questions, always the same ones, and not at some of all that
is asked: how often a question comes back can only be seen that way. Which ones a hash says, so that
it is all of a few questions and a share of very many; each of that share stands for as many more.
What is asked most stands for itself and is always in it: left to the hash, it would be missed or
count for too much. Looks that would come too fast are left out, and the next one stands for them
as well; then a little less seems to repeat than does.

It keeps digests alone, made with a secret of its own: no question and no answer can be read from
it.
"""

from __future__ import annotations

from hashlib import blake2b
from heapq import nlargest
from secrets import token_bytes

from keiko_perf.model.repeats import TTLS_S, Kept

MASK = (1 << 32) - 1
"""Marks are from 0 up to this: more would be large numbers, which are slow."""
_WHOLE = MASK + 1
_FEWEST = 8
_ADAPT_EVERY = 100
_MANY_CLOSE, _FEW_CLOSE = 50, 10
_HEAVY = 32
_OFTEN = 3
_LONGEST_S = max(TTLS_S)


class Repeating:
    """
    Args:
        most: how many questions are remembered.
        pause_s: looks are at least so far apart, at what is asked most and at the others.

    Attributes:
        calls: how often it was looked, since `take`.
        share: looked at are questions whose mark is below it,
        heavy: and these, which are asked most.
    """

    __slots__ = (
        "_close",
        "_hits",
        "_known",
        "_left_out",
        "_left_out_heavy",
        "_most",
        "_next_heavy_s",
        "_next_s",
        "_pause_s",
        "_secret",
        "_spared_s",
        "_stale",
        "_taken",
        "_took_s",
        "_weight",
        "calls",
        "heavy",
        "share",
    )

    def __init__(self, *, most: int = 256, pause_s: float = 0.0) -> None:
        self._most, self._pause_s = most, pause_s
        self._secret = token_bytes(32)
        self.share = _WHOLE
        self.heavy: frozenset[int] = frozenset()
        self._next_s = self._next_heavy_s = float("-inf")
        self._taken = self._close = self._left_out = self._left_out_heavy = 0
        # The one that was asked last stands last.
        self._known: dict[bytes, _Known] = {}
        self._clear()

    # Written for the question that is not looked at: most are not.
    def wants(self, mark: int, at_s: float) -> bool:
        """
        Whether to look at a question now.

        Args:
            mark: the same number from 0 to `MASK` for the same question, as `hash(…) & MASK` is.
            at_s: now, monotonic.
        """
        if mark in self.heavy:
            if at_s < self._next_heavy_s:
                self._left_out_heavy += 1
                return False
            self._next_heavy_s = at_s + self._pause_s
            return True
        if mark >= self.share:
            return False
        if at_s < self._next_s:
            self._left_out += 1
            return False
        # What comes so soon after the pause is one of many: others came while it lasted.
        self._close += at_s - self._next_s < self._pause_s
        self._next_s = at_s + self._pause_s
        self._taken += 1
        if self._taken >= _ADAPT_EVERY:
            self._adapt()
        return True

    def digest(self, *parts: bytes) -> bytes:
        """What stands for a question or an answer."""
        made = blake2b(key=self._secret, digest_size=12)
        for part in parts:
            made.update(len(part).to_bytes(8, "little"))
            made.update(part)
        return made.digest()

    def saw(self, mark: int, question: bytes, answer: bytes, *, at_s: float, took_s: float) -> None:
        """
        A question was answered.

        Args:
            mark: as of `wants`.
            question: its digest.
            answer: the digest of what was said.
            at_s: when it was answered, monotonic.
            took_s: how long that took.
        """
        # It stands for those of its like at which it was not looked.
        if mark in self.heavy:
            weight, self._left_out_heavy = 1.0 + self._left_out_heavy, 0
        else:
            weight, self._left_out = (1.0 + self._left_out) * _WHOLE / self.share, 0
        self.calls += 1
        self._weight += weight
        self._took_s += weight * took_s
        known = self._known.pop(question, None)
        if known is None:
            self._make_room(at_s)
            known = _Known(mark, at_s, answer)
        else:
            self._play(known, answer, at_s, weight, took_s)
        if mark < self.share or mark in self.heavy:
            self._known[question] = known

    def take(self) -> tuple[Kept, ...]:
        """What the caches would have done since it was last asked for; it counts anew."""
        taken = self.kept()
        self._clear()
        return taken

    def kept(self) -> tuple[Kept, ...]:
        """The same, and it goes on. It is told of as many questions as were looked at."""
        scale = self.calls / self._weight if self._weight else 0.0
        told = []
        for index, ttl_s in enumerate(TTLS_S):
            hits = round(self._hits[index] * scale)
            stale = min(round(self._stale[index] * scale), hits)
            spared_s = self._spared_s[index] * scale
            told.append(Kept(ttl_s=ttl_s, hits=hits, stale=stale, spared_s=spared_s))
        return tuple(told)

    @property
    def took_s(self) -> float:
        """How long what was looked at took; likewise."""
        return self._took_s * self.calls / self._weight if self._weight else 0.0

    def __len__(self) -> int:
        return len(self._known)

    # Private

    def _clear(self) -> None:
        self.calls, self._weight, self._took_s = 0, 0.0, 0.0
        self._hits, self._stale, self._spared_s = ([0.0] * len(TTLS_S) for _ in range(3))

    def _play(
        self, known: _Known, answer: bytes, at_s: float, weight: float, took_s: float
    ) -> None:
        known.asked_s = at_s
        known.times += 1
        kept = known.kept
        for index, ttl_s in enumerate(TTLS_S):
            since_s, said = kept[index]
            if at_s - since_s > ttl_s:
                kept[index] = at_s, answer
                continue
            self._hits[index] += weight
            self._spared_s[index] += weight * took_s
            if said != answer:
                self._stale[index] += weight

    def _adapt(self) -> None:
        """Look at fewer questions where most looks come too fast, and at more where few do."""
        if self._close > _MANY_CLOSE and len(self._known) > _FEWEST:
            self._halve()
        elif self._close < _FEW_CLOSE and len(self._known) * 4 < self._most:
            self.share = min(self.share * 2, _WHOLE)
        self._taken = self._close = 0

    def _make_room(self, at_s: float) -> None:
        """The oldest goes; if even that may still be asked for, there are too many."""
        if len(self._known) < self._most:
            return
        oldest = next(iter(self._known))
        if at_s - self._known[oldest].asked_s > _LONGEST_S:
            self.heavy -= {self._known.pop(oldest).mark}
            return
        while len(self._known) >= self._most and self.share > 1:
            self._halve()

    def _halve(self) -> None:
        self.share //= 2
        known = self._known.copy()  # in one step: another thread may be at it
        most = nlargest(min(_HEAVY, self._most // 2), known.values(), key=lambda one: one.times)
        self.heavy = heavy = frozenset(one.mark for one in most if one.times >= _OFTEN)
        self._known = {
            question: one
            for question, one in known.items()
            if one.mark < self.share or one.mark in heavy
        }


class _Known:
    """A question: how often it was looked at, and of each cache what it keeps and since when."""

    __slots__ = ("asked_s", "kept", "mark", "times")

    def __init__(self, mark: int, at_s: float, answer: bytes) -> None:
        self.mark, self.asked_s, self.times = mark, at_s, 1
        self.kept = [(at_s, answer)] * len(TTLS_S)
