"""The line as a discrete-event model: one door, simulate()."""
