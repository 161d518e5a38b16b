"""
Plans: read, measured where that is safe, priced by values, and told.

`source` takes what EXPLAIN's output comes in, `text` and `lines` its text form; `draft` becomes a
`plan`. `explain` asks for one: `safety` and `doubt` say whether a statement may be executed,
`prices` what it costs for other values. `report` shows the tree, each finding at its step.
"""
