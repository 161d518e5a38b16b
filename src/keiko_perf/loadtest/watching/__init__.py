"""What the service and its database did during a run, laid on the axis of the run."""
