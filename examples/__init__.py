"""Example notebooks, with their outputs. `python -m examples` executes them again."""
