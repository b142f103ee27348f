"""Short and slow requests of one application: "/short", "/sleep" (200 ms asleep), "/cpu" (50 ms).

The CPU is counted by the thread's own clock, so that a loaded machine does not shorten the work.
The loop holds the interpreter's lock as any Python computation does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

SLEEP_SECONDS = 0.2
CPU_SECONDS = 0.05
FIELDS = [("Content-Type", "text/plain"), ("Content-Length", "5")]


def compute(seconds: float) -> int:
    """Use so much CPU of this thread; the clock is asked about every 100 microseconds."""
    end = time.thread_time() + seconds
    total = 0
    while time.thread_time() < end:
        for number in range(2000):
            total ^= number
    return total


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Respond with five bytes, at once or after the work that the path names."""
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(SLEEP_SECONDS)
    elif path == "/cpu":
        compute(CPU_SECONDS)
    start_response("200 OK", FIELDS)
    return [b"done\n"]
