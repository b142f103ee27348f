"""An application that is a burden to others of its server: it hangs, ends or floods the log."""

import os
import sys
import time
from collections.abc import Iterable
from typing import Any

LINE = "x" * 200


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/hang":
        while True:
            time.sleep(0.01)
    if path == "/exit":
        os._exit(9)
    if path == "/flood":
        last = time.monotonic() + 1
        while time.monotonic() < last:
            print(LINE, file=sys.stderr)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"neighbour"]
