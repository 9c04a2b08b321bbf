"""The HTML report of a run, and pictures, charts and tables."""
