"""`infogan discover`: what a folder of images offers, learned from the real images first."""

from infogan.discovery.discover import discover
from infogan.discovery.outcome import summary

__all__ = ["discover", "summary"]
