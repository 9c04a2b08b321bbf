"""The run directory on disk: layout, checkpoints, metrics log, seed selection and training warnings."""
