"""
Prompted: a connection of users who ask the same again the moment that they are answered.

What a plain run of one request does for an answer is little enough that the calls between the
connection, the traffic and the books would be a third of it. Here one function does what those do
for an answer that equals the last one to the byte, and leaves every other to them.
"""

from __future__ import annotations

from keiko_perf.loadtest.http.connection import Http1Channel
from keiko_perf.loadtest.http.home import Home, Phase
from keiko_perf.loadtest.transport import Owner
from keiko_perf.loadtest.users.prompt import Prompt

_HEAD = Phase.HEAD


def prompted(home: Home, owner: Owner) -> Http1Channel:
    """A connection for *owner*, whose users may all ask one and the same or not."""
    prompt: Prompt | None = getattr(owner, "prompt", None)
    return Http1Channel(home, owner) if prompt is None else PromptedChannel(home, owner, prompt)


class PromptedChannel(Http1Channel):
    """One connection of such users. What is usual is known by two looks, and done without calls."""

    __slots__ = ("_prompt", "is_prompt")

    def __init__(self, home: Home, owner: Owner, prompt: Prompt) -> None:
        super().__init__(home, owner)
        self._prompt = prompt
        self.is_prompt = False
        prompt.channels.add(self)

    def data_received(self, data: bytes) -> None:
        prompt = self._prompt
        if data == prompt.whole and self.is_prompt:
            clock = prompt.clock
            now = clock()
            if now < prompt.until:
                record = prompt.record
                record(now - self.due)
                self.due = self.sent = now
                write = self._write
                write(prompt.wire)
                return
        prompt.settle()
        super().data_received(data)
        known = self._known_if_plain
        prompt.learn(known.whole if known.status < 400 else None, known.size)
        is_at_start = self._phase is _HEAD and not self._block and self._known is known
        self.is_prompt = is_at_start and prompt.is_counted(self.due)

    def close(self) -> None:
        self.is_prompt = False
        self._prompt.channels.discard(self)
        super().close()
