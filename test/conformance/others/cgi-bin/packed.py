#!/usr/bin/env python3
"""A response that the program compresses itself; a shebang by env."""

import gzip
import sys

text = "".join(f"line {number}\n" for number in range(5000)).encode()
sys.stdout.buffer.write(
    b"Content-Type: text/plain\nContent-Encoding: gzip\nVary: Accept-Encoding\n\n"
)
sys.stdout.buffer.write(gzip.compress(text, mtime=0))
