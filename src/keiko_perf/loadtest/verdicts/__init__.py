"""Whether a run kept its promises, since when not, and whether it was a measurement at all."""
