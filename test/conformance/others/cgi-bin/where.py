#!/usr/bin/python3
"""How the path of the request was taken apart."""

import os
import sys

# Apache breaks the connection of a program that leaves its input unread.
sys.stdin.buffer.read()
print("Content-Type: text/plain; charset=utf-8\n")
for name in ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH"):
    value = os.environb.get(name.encode(), b"-")
    print(name, value.decode("utf-8", "backslashreplace"))
print(os.getcwd() == os.path.dirname(os.path.abspath(__file__)), sys.argv[1:])
