"""Training: one step, the loop of a run, several seeds, category repair."""
