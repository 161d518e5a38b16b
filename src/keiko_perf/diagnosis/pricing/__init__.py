"""
Pricing: what a statement costs if an index were there, by the planner and by the clock.

`price` is the conversation; `planner` holds it on a plain server and reads the `nodes` of its
plans, `verify` with HypoPG, `sampling` for values that are really there, `scratch` on a sample with
real indexes (`bitmap` carries that over to the whole table); `sessions` stand around another one.
`expectation` reckons from statistics alone. `visits`, `lookups` and `memory` say what a
plan takes by the clock where the planner's word is wrong for it (ADR 0016), of what `walk` finds in
it, `descents` what only an assumed index hides, and `building` how long an index takes to make.
"""
