"""How fast training and the commands are, as ratios within one run on one machine: `python -m benchmarks`."""
