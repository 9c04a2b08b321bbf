"""The run directory on disk: layout, checkpoints, log of metrics and health. Imports no training."""
