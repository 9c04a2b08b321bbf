"""`infogan discover`: find the factors of variation in a folder of images within a time budget."""

from infogan.discovery.discover import discover
from infogan.discovery.outcome import summary

__all__ = ["discover", "summary"]
