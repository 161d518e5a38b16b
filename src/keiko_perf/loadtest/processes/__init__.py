"""One load made by several processes of this machine: shared out, and merged exactly."""
