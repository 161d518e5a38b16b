"""A result as a report: the verdict, what failed, the figures, the charts."""
