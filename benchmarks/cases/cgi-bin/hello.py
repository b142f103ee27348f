#!/usr/bin/python3
"""The least that a CGI program in Python does."""

print("Content-Type: text/plain\n")
print("Hello, World!")
