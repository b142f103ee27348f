#!/usr/bin/python3
"""Bytes of a body, by CONTENT_LENGTH and to the end."""

import hashlib
import os
import sys

length = int(os.environ.get("CONTENT_LENGTH") or 0)
body = sys.stdin.buffer.read(length)
rest = sys.stdin.buffer.read()
print("Content-Type: text/plain\n")
print(len(body), len(rest), hashlib.sha256(body).hexdigest())
