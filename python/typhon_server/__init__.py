"""Typhon, a web server for Python applications: the package that pip installs."""

__version__ = "0.1.0"
