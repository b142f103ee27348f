#!/usr/bin/python3
"""The smallest program: a head by print, a document by print."""

print("Content-Type: text/html")
print()
print("<h1>Hello, World!</h1>")
