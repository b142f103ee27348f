#!/usr/bin/python3
"""A document without a head."""

print("<h1>no head</h1>")
print("and no blank line")
