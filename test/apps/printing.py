"""Prints on both streams, in every way that libraries print."""

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

print("printed at import")


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/print":
        print("printed on stdout")
        print("printed on stderr", file=sys.stderr)
    elif path == "/raw":
        os.write(1, b"raw on stdout\n")
        os.write(2, b"raw on stderr\n")
    elif path == "/unicode":
        print("gr\u00fc\u00df \u20ac \U0001f40d")
        sys.stdout.buffer.write(b"broken \xff\xfe bytes\n")
        sys.stdout.flush()
    elif path == "/forged":
        print("2026-01-01 00:00:00 ERROR forged\x1b[31m\rcarriage return")
    elif path == "/long":
        print("L" * 200_000)
    elif path == "/unfinished":
        sys.stdout.write("not finished")
        sys.stdout.flush()
    elif path == "/huge":
        # Just under 1 MiB, and all of it of one letter.
        letter = environ["QUERY_STRING"]
        os.write(1, letter.encode() * 400_000)
        os.write(1, letter.encode() * 600_000 + b"\n")
    elif path == "/child":
        subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)
    elif path == "/device":
        with open("/dev/stdout", "w", encoding="ascii") as device:
            print("printed on the device", file=device)
    elif path == "/frame":
        # What a frame of the channel looks like must stay plain output.
        os.write(1, b"\x00\x00\x00\x00\x10\x01\x00\x00" + b"\x01" + b"\x00" * 7 + b"\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"printed"]
