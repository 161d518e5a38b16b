"""
The engine, what wakes it, the traffic that is under way, and what it writes down.

The way of a request: `alarm` says that it is due, `traffic` sends it by a channel, `books` write
down what became of it (by `meter`, `tally`, `timeline` and `looks`), and hand over the result.
"""
