"""
Delivery: the short way of a request between a user and its connection, and of the answer back.

What is usual is done here, in one function for each way, and everything else is left to the desk:
the calls between user, desk, books and connection would cost more than what they do. Answers that
come in one turn of the event loop are handed to their users at its end, one after the other. When
an answer was there is read as it comes, so that what one user does with it is no part of another
user's response time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

from keiko_perf.loadtest.engine.books import Books
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Channel
from keiko_perf.loadtest.users.player import Player, go_on_all
from keiko_perf.loadtest.users.reply import NOBODY, UNJUDGED, USUAL, Asker, Reply


class Sender(Protocol):
    """Who does what is not usual: a desk."""

    def ask(self, user: Asker, request: Request) -> Reply:
        """Send *request* for *user*."""

    def told(self, channel: Channel) -> None:
        """The reply that *channel* filled in is the user's."""


class Delivery:
    """
    Args:
        sender: does what is not usual.
        books: where answers are counted.
        idle: the sender's channels that are free.
        line: the sender's requests that wait for one.
        clock: the sender's.
        loop: the one that all happens in.

    Attributes:
        came: channels whose answers came in this turn of the loop; their replies are filled in.
    """

    __slots__ = (
        "_books",
        "_clock",
        "_idle",
        "_line",
        "_loop",
        "_meters",
        "_open",
        "_sender",
        "came",
    )

    def __init__(
        self,
        sender: Sender,
        books: Books,
        *,
        idle: list[Channel],
        line: Collection[Reply],
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._sender = sender
        self._books = books
        self._meters = books.meters
        self._idle = self._open = idle
        self._line = line
        self._clock = clock
        self._loop = loop
        self.came: list[Channel] = []

    @property
    def is_open(self) -> bool:
        """Whether users may ask."""
        return self._open is self._idle

    def shut(self) -> None:
        """Users may ask no more."""
        self._open = []

    def ask(self, user: Asker, request: Request) -> Reply:
        """As the sender's `ask`, at once if the user asks for one thing after the other."""
        last, idle = user.last, self._open
        if last is None or user.more or not idle:
            return self._sender.ask(user, request)
        # What `Books.settled` does for what is usual, without calling it.
        user.last = None
        due, meter = last.due, self._meters[last.request.step]
        if last.judgement is USUAL and meter.since <= due < meter.until:
            record = meter.record
            record(last.done - due)
            meter.received_bytes += last.received_bytes
            self._books.again += 1
        elif not self._books.settled(last):
            user.failed += 1
        # One object for a request, filled here: a constructor would cost as much again.
        reply = Reply()
        reply.user = user
        reply.request = request
        reply.wake = NOBODY
        reply.error = None
        channel = idle.pop()
        channel.asked = reply
        clock, due = self._clock, user.due
        reply.sent = now = clock()
        if due:
            user.due = 0.0
            reply.due = due
            reply.judgement = UNJUDGED
            self._books.sent(due, now)
        else:
            reply.due = now
            reply.judgement = USUAL
        write = channel.write
        if write is not None and request.is_light:
            channel.request = request
            write(request.wire)
        else:
            channel.send(request)
        return reply

    def tell_soon(self) -> None:
        """To be called with the first that came."""
        self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        """Hand what came to those who asked for it."""
        channels = self.came[:]
        self.came.clear()
        if self._line or not self.is_open:
            for channel in channels:
                self._sender.told(channel)
            return
        # The users ask again where they are run on, and find the channels.
        self._idle.extend(channels)
        players: list[Player] = []
        others: list[Callable[[], None]] = []
        for channel in channels:
            reply: Reply = channel.asked
            user = reply.user
            if user.last is not None:
                user.more.append(user.last)
            user.last = reply
            user.got_on = True
            if reply.wake is not NOBODY and reply.wake is not None:
                others.append(reply.wake)
            reply.wake = None
            if user.player is not None:
                players.append(user.player)
        go_on_all(self._loop, players)
        for wake in others:
            wake()

    def close(self) -> None:
        """The run is over: nobody is told anything more."""
        self.shut()
        self.came.clear()
