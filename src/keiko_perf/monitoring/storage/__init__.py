"""
Where the windows of a service are kept, and what is added up beside them for whoever looks back.

`store` is the protocol and the one in memory, `sqlite` the one that workers share, `steady` stands
before one that may fail. `windows` is the table; `minutes` and `wholes` are windows merged,
`points` and `charts` their figures over time, `encoding`, `decoding` and `pieces` how they are
packed (the formats are in `layout`); the `journal` has what happened beside the figures.
"""
