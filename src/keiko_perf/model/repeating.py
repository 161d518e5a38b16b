"""
Repeating: looks at some of the questions that one subject is asked, and plays caches beside it.

It looks at all that is asked of some questions, always the same ones, and not at some of all that
is asked: how often a question comes back can only be seen that way. How large that share is finds
itself, so that it is all of a few questions and a few of very many. A look may be left out where
looks come too fast; then less seems to repeat than does, and never more. It keeps digests alone,
made with a secret of its own: no question and no answer can be read from it.
"""

from __future__ import annotations

from hashlib import blake2b
from secrets import token_bytes

from keiko_perf.model.repeats import TTLS_S, Kept

WHOLE = 1 << 32
"""A power of two, so that the modulus is cheap."""
_FEWEST = 8
_ADAPT_EVERY = 100
_MANY_CLOSE, _FEW_CLOSE = 50, 10
_LONGEST_S = max(TTLS_S)


class Repeating:
    """
    Args:
        most: how many questions are remembered.
        pause_s: looks are at least so far apart.

    Attributes:
        share: looked at are questions whose mark, modulo `WHOLE`, is below it.
        next_s: when it may be looked again.
        calls: how often it was looked, since `take`.
        took_s: how long what was looked at took.
    """

    __slots__ = (
        "_close",
        "_hits",
        "_known",
        "_most",
        "_pause_s",
        "_secret",
        "_spared_s",
        "_stale",
        "_taken",
        "calls",
        "next_s",
        "share",
        "took_s",
    )

    def __init__(self, *, most: int = 128, pause_s: float = 0.0) -> None:
        self._most, self._pause_s = most, pause_s
        self._secret = token_bytes(32)
        self.share = WHOLE
        self.next_s = float("-inf")
        self._taken = self._close = 0
        # By question: its place in the sample, when it was asked last, and of each cache when it
        # took its answer in, and which.
        self._known: dict[bytes, tuple[int, float, list[tuple[float, bytes]]]] = {}
        self._clear()

    def wants(self, mark: int, at_s: float) -> bool:
        """
        Whether to look at a question now.

        Args:
            mark: any number that is the same for the same question, as `hash` makes it.
            at_s: now, monotonic.
        """
        if at_s < self.next_s or mark % WHOLE >= self.share:
            return False
        # What comes so soon after the pause is one of many: others came while it lasted.
        self._close += at_s - self.next_s < self._pause_s
        self.next_s = at_s + self._pause_s
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
        self.calls += 1
        self.took_s += took_s
        _, _, kept = self._known.pop(question, (0, 0.0, None))
        if kept is None:
            self._make_room(at_s)
            kept = [(at_s, answer)] * len(TTLS_S)
        else:
            for index, ttl_s in enumerate(TTLS_S):
                since_s, said = kept[index]
                if at_s - since_s > ttl_s:
                    kept[index] = at_s, answer
                    continue
                self._hits[index] += 1
                self._stale[index] += said != answer
                self._spared_s[index] += took_s
        if mark % WHOLE < self.share:
            self._known[question] = mark % WHOLE, at_s, kept

    def take(self) -> tuple[Kept, ...]:
        """What the caches would have done since it was last asked for; it counts anew."""
        taken = self.kept()
        self._clear()
        return taken

    def kept(self) -> tuple[Kept, ...]:
        """The same, and it goes on."""
        return tuple(
            Kept(ttl_s=ttl_s, hits=hits, stale=stale, spared_s=spared_s)
            for ttl_s, hits, stale, spared_s in zip(
                TTLS_S, self._hits, self._stale, self._spared_s, strict=True
            )
        )

    def __len__(self) -> int:
        return len(self._known)

    # Private

    def _clear(self) -> None:
        self.calls, self.took_s = 0, 0.0
        self._hits, self._stale = [0] * len(TTLS_S), [0] * len(TTLS_S)
        self._spared_s = [0.0] * len(TTLS_S)

    def _adapt(self) -> None:
        """Look at fewer questions where most looks come too fast, and at more where few do."""
        if self._close > _MANY_CLOSE and len(self._known) > _FEWEST:
            self._halve()
        elif self._close < _FEW_CLOSE and len(self._known) * 4 < self._most:
            self.share = min(self.share * 2, WHOLE)
        self._taken = self._close = 0

    def _make_room(self, at_s: float) -> None:
        """The oldest goes; if even that may still be asked for, there are too many."""
        if len(self._known) < self._most:
            return
        oldest = next(iter(self._known))
        if at_s - self._known[oldest][1] > _LONGEST_S:
            del self._known[oldest]
            return
        while len(self._known) >= self._most and self.share > 1:
            self._halve()

    def _halve(self) -> None:
        self.share //= 2
        # A copy, which is one step: another thread may be at it.
        known = self._known.copy()
        self._known = {question: one for question, one in known.items() if one[0] < self.share}
