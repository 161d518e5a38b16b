"""
What databases did between readings of their counters: kept, compared and told.

`delta` is what happened between two readings, `history` over many; `keeping` takes them, `file` and
`text` keep them, `report` tells.
"""
