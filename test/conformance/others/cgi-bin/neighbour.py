#!/usr/bin/python3
"""A program with a module of its own beside it."""

import beside

print("Content-Type: text/plain\n")
print(beside.greet(__name__), beside.COUNT)
beside.COUNT += 1
