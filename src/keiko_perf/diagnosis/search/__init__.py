"""
Search: which candidates are worth having within the limits, with few questions.

`costs` knows what was answered (`answer`) and asks for the rest. `ledger` is what is sure of
every set of indexes and what may be hoped (`weighing`, `gains`, `additions`, `losses`; sets are
`bits`). `nomination` says which plans are worth knowing, `allowance` how many, after Extend's own
way (`rehearsal`); `packing` and `choice` find the best set of what is worth having (`worth`),
`proving` the best of those that do what was promised; `refusing` says why the others were not
chosen. `search` is the whole of it.
"""
