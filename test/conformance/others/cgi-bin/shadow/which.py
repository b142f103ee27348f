#!/usr/bin/python3
"""Modules beside the program with names of the standard library: they come first, as always."""

import colorsys
import statistics
import sys

print("Content-Type: text/plain\n")
print(colorsys.SAYS, statistics.mean([1, 2, 3]), sys.modules["bisect"].__doc__)
