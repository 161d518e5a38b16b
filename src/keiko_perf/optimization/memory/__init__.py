"""
A process within its memory: what it holds, which lines make it grow, and who gives up what.

`optimizer` and `decorator` are the guide's, `governor` watches by itself; both have caches give up
by `shedding`. `tracer` and `growth` tell which lines hold more and more.
"""
