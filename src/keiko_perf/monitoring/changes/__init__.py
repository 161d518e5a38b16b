"""
What changed in a service, and what was done then.

`changepoints` finds levels (by `courses`, the days before, and `regression`) in the `stretches` of
the stored windows; `changes` and `trends` say what they mean; `markers` and `revision` are causes.
"""
