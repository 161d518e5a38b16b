"""
Users who carry out scenarios: what they do, and the way of their requests and answers.

`scenario` and `user` are what somebody writes with; `crew` is the engine whose arrivals are users.
"""
