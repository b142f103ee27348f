#!/usr/bin/python3
"""A megabyte of every byte, with its length and a name."""

import sys

content = bytes(range(256)) * 4096
out = sys.stdout.buffer
out.write(b"Content-Type: application/octet-stream\r\n")
out.write(b'Content-Disposition: attachment; filename="bytes.bin"\r\n')
out.write(b"Content-Length: %d\r\n\r\n" % len(content))
out.write(content)
