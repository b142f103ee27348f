#!/usr/bin/python3
"""The environment, one name and value a line."""

import os

print("Content-Type: text/plain\n")
for name, value in sorted(os.environb.items()):
    print(name.decode(), ascii(value.decode("latin-1")), sep="=")
