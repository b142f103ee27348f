#!/usr/bin/python3 -B
"""Characters beyond ASCII by print, in the encoding that the interpreter chooses; a flag."""

import locale
import sys

print("Content-Type: text/plain; charset=utf-8\n")
print("Zoë, Straße, 東京", sys.stdout.encoding, sys.flags.dont_write_bytecode)
print(locale.getpreferredencoding(False), sys.getfilesystemencoding())
