"""Sinks: places other than the run directory that receive metrics and pictures during training.

metrics.jsonl and the pictures of the run are always complete; a sink is a copy. `infogan.sinks.sink` shows
how to add one.
"""

from infogan.sinks.sink import SINKS, NewSink, OpenSinks, Sink, find, numbers, sink

__all__ = ["SINKS", "NewSink", "OpenSinks", "Sink", "find", "numbers", "sink"]
