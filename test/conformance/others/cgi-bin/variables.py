#!/usr/bin/python3
"""The environment, one name and value a line."""

import os
import sys

# Apache breaks the connection of a program that leaves its input unread.
sys.stdin.buffer.read()
print("Content-Type: text/plain\n")
for name, value in sorted(os.environb.items()):
    print(name.decode(), ascii(value.decode("latin-1")), sep="=")
