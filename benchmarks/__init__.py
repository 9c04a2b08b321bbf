"""Speed of training and of the commands, as ratios measured on one machine: `python -m benchmarks`."""
