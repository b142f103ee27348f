"""Typhon, as Python applications see it."""

__version__ = "0.1.0"
