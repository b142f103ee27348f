"""Reads configuration files that are Python programs, in a process of its own."""
